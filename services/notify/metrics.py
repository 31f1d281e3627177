"""What notify measures."""

from opentelemetry import metrics

_meter = metrics.get_meter(__name__)

written = _meter.create_counter(
    "notifications_written",
    unit="{notification}",
    description="Notifications that came into an inbox, by kind (video_ready, video_failed, …).",
)

pushed = _meter.create_counter(
    "pushes",
    unit="{push}",
    description="Attempts to bring a notification to a device, by vendor (web_push, fcm, apns) and how they ended: "
    "delivered, retry, given_up, refused (will never go well), gone (the device was removed).",
)
oldest_push = _meter.create_gauge(
    "oldest_push", unit="s", description="How long the oldest delivery has been waiting for a device, by vendor."
)
hosts_left_alone = _meter.create_gauge(
    "push_hosts_left_alone",
    unit="{host}",
    description="Hosts that this process does not call for the moment because they failed, by vendor.",
)

cancelled = _meter.create_counter(
    "deliveries_cancelled",
    unit="{delivery}",
    description="Deliveries that were cancelled in time, by why: hidden, deleted, unfollowed, preferences.",
)
