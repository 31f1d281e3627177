"""What every service measures: its RPCs, the way of events out of one schema and into another, and S3."""

from functools import partial

from opentelemetry.metrics import get_meter

from chassis.telemetry import SECONDS

_METER = get_meter("nextplay.chassis")
_events, _seconds = partial(_METER.create_counter, unit="{event}"), partial(_METER.create_gauge, unit="s")
_gauge = _METER.create_gauge
_OUTCOMES = "applied, repeated, skipped (unknown type), dead_lettered"

# Of whichever process wrote them, also a short job.
OUTBOX_SENT = _events("outbox_sent", description="Events acknowledged by Kafka, by topic and type")
OUTBOX_SET_ASIDE = _events(
    "outbox_set_aside", description="Events that Kafka refused for good, by topic and reason; alarm on any"
)
OUTBOX_AGE = _seconds(
    "outbox_oldest_age", description="Age of the oldest unsent event of a schema, told by every instance"
)
OUTBOX_EVENTS = _gauge(
    "outbox_events", "{event}", "What the outbox of a schema holds, by state (unsent, set_aside), up to 100,000 events"
)
SIGNALS_LOST = _events("signals_lost", description="Signals that could not be sent, by type")
EVENTS_HANDLED = _events("events_handled", description=f"Events by consumer, type and outcome: {_OUTCOMES}")
EVENTS_RETRIED = _METER.create_counter(
    "events_retried", unit="{try}", description="Tries of an event that failed, by consumer, type and error"
)
EVENT_DELAY = _METER.create_histogram(
    "event_delay",
    unit="s",
    description="From an event's emission to its application, by consumer and type",
    explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
)
CONSUMER_LAG = _gauge(
    "consumer_lag",
    "{event}",
    "Events of a partition (topic[number]) that its consumer has not applied; 0 from all others",
)
CONSUMER_AGE = _seconds(
    "consumer_oldest_age", description="Age of the oldest event that a consumer has in hand, unapplied"
)
EVENT_IN_WORK = _seconds("event_in_work", description="How long the oldest event in work of a consumer has been tried")
OBJECT_STORE_CALLS = _METER.create_counter(
    "object_store_calls", unit="{call}", description="Requests to S3 by operation and outcome (ok, refused, failed)"
)
LEASES_LOST = _METER.create_counter(
    "leases_lost", unit="{lease}", description="Work that was not its worker's any more when it ended, by table"
)
POOL_CONNECTIONS = _gauge(
    "pool_connections",
    "{connection}",
    "Connections to PostgreSQL by pool (upload, catalog-replica, …) and state (in_use, idle)",
)
POOL_MOST = _gauge("pool_connections_most", "{connection}", "How many connections a pool may have")
POOL_WAITING = _gauge("pool_waiting", "{caller}", "Who waits for a connection of a pool")
RPC_DURATION = _METER.create_histogram(
    "rpc_server_duration", description="How long RPCs took, by method and code (OK or the error's)", **SECONDS
)
