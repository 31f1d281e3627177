"""What notify measures."""

from opentelemetry import metrics

_meter = metrics.get_meter(__name__)

written = _meter.create_counter(
    "notifications_written",
    unit="{notification}",
    description="Notifications that came into an inbox, by kind (video_ready, video_failed, …).",
)
