"""The metrics of the chassis' data side: the way of events out of one schema and into another."""

from opentelemetry.metrics import get_meter

_METER = get_meter("nextplay.chassis")

OUTBOX_SENT = _METER.create_counter(
    "outbox_sent",
    unit="{event}",
    description="Events acknowledged by Kafka, by topic and type: whichever process wrote them, also a short job",
)
OUTBOX_SET_ASIDE = _METER.create_counter(
    "outbox_set_aside",
    unit="{event}",
    description="Events that Kafka refused for good, by topic and reason; alarm on any",
)
OUTBOX_AGE = _METER.create_gauge(
    "outbox_oldest_age", unit="s", description="Age of the oldest unsent event of a schema when the relay last looked"
)
SIGNALS_LOST = _METER.create_counter(
    "signals_lost", unit="{event}", description="Signals that could not be sent, by type"
)
EVENTS_HANDLED = _METER.create_counter(
    "events_handled",
    unit="{event}",
    description="Events by consumer, type and outcome: applied, repeated, skipped (unknown type), dead_lettered",
)
EVENTS_RETRIED = _METER.create_counter(
    "events_retried", unit="{try}", description="Tries of an event that failed, by consumer, type and error"
)
EVENT_DELAY = _METER.create_histogram(
    "event_delay",
    unit="s",
    description="From an event's emission to its application, by consumer and type",
    explicit_bucket_boundaries_advisory=[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300],
)
CONSUMER_LAG = _METER.create_gauge(
    "consumer_lag",
    unit="{event}",
    description="Events behind the end of a partition, by consumer and partition (topic[number])",
)
EVENT_IN_WORK = _METER.create_gauge(
    "event_in_work", unit="s", description="How long the oldest event in work of a consumer has been tried"
)
