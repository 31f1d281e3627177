"""What notify measures."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

_meter = metrics.get_meter(__name__)

written = _meter.create_counter(
    "notifications_written",
    unit="{notification}",
    description="Notifications that came into an inbox, by kind (video_ready, video_failed, …).",
)

watchers = _meter.create_up_down_counter(
    "inbox_watchers", unit="{stream}", description="Streams of inboxes that this process serves now."
)

attempted = _meter.create_counter(
    "delivery_attempts",
    unit="{attempt}",
    description="Attempts to bring a notification out of the app, by channel (web_push, fcm, apns, webhook) and how "
    "they ended: delivered, retry, given_up, refused (will never go well), gone (the device or webhook was removed). "
    "What stays in the app is in notifications_written.",
)
oldest = _meter.create_gauge(
    "oldest_delivery",
    unit="s",
    description="How long the oldest pending delivery has been waiting, by channel (web_push, fcm, apns, webhook).",
)
under_way = _meter.create_gauge(
    "deliveries_under_way", unit="{delivery}", description="Deliveries that this process is sending now, by channel."
)
hosts_left_alone = _meter.create_gauge(
    "delivery_hosts_left_alone",
    unit="{host}",
    description="Hosts that this process does not call for the moment because they failed, by channel.",
)

cancelled = _meter.create_counter(
    "deliveries_cancelled",
    unit="{delivery}",
    description="Deliveries that were cancelled in time, by why: hidden, deleted, unfollowed, preferences, removed or "
    "gone (the device), disabled (the webhook).",
)

webhook_errors = _meter.create_counter(
    "webhook_errors", unit="{request}", description="Requests to webhooks that failed, by error."
)
webhook_latency = _meter.create_histogram(
    "webhook_latency", unit="s", description="Until the reply of a webhook, or until its failure."
)


@dataclass(frozen=True, slots=True)
class HostSeen:
    """How deliveries to a host are getting on."""

    channel: str
    host: str
    under_way: int
    waiting: int
    seconds_alone: float


def show_hosts(read: Callable[[], Sequence[HostSeen]]) -> None:
    """Show what `read()` tells whenever the metrics are read, and nothing of hosts that it does not tell any more."""

    def showing(value: Callable[[HostSeen], float]) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [Observation(value(one), {"channel": one.channel, "host": one.host}) for one in read()]

    _meter.create_observable_gauge(
        "delivery_host_under_way",
        [showing(lambda one: one.under_way)],
        unit="{delivery}",
        description="Deliveries that this process is sending to a host now, by channel and host. Of each channel 10 "
        "hosts are told: those left alone longest, then the busiest.",
    )
    _meter.create_observable_gauge(
        "delivery_host_waiting",
        [showing(lambda one: one.waiting)],
        unit="{delivery}",
        description="Deliveries to the same hosts that are pending, counted up to 10,000.",
    )
    _meter.create_observable_gauge(
        "delivery_host_next_try",
        [showing(lambda one: one.seconds_alone)],
        unit="s",
        description="For how long this process still leaves the same hosts alone; 0 where it calls them.",
    )
