"""What notify measures."""

from opentelemetry import metrics

_meter = metrics.get_meter(__name__)

written = _meter.create_counter(
    "notifications_written",
    unit="{notification}",
    description="Notifications that came into an inbox, by kind (video_ready, video_failed, …).",
)

watchers = _meter.create_up_down_counter(
    "inbox_watchers", unit="{stream}", description="Streams of inboxes that this process serves now."
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

webhook_attempts = _meter.create_counter(
    "webhook_attempts",
    unit="{request}",
    description="Requests to webhooks, by outcome (DELIVERED or the error) and by where the delivery stands after it.",
)
webhook_latency = _meter.create_histogram(
    "webhook_latency", unit="s", description="Until the reply of a webhook, or until its failure."
)
webhooks_under_way = _meter.create_gauge(
    "webhooks_under_way", unit="{delivery}", description="Deliveries to webhooks that this process is sending."
)
webhook_hosts_left_alone = _meter.create_gauge(
    "webhook_hosts_left_alone",
    unit="{host}",
    description="Hosts of webhooks that this process does not call for the moment because they did not answer.",
)
