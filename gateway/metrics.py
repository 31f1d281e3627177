"""What the gateway measures."""

from collections.abc import Callable

from opentelemetry import metrics

from chassis.telemetry import SECONDS

_meter = metrics.get_meter("nextplay.gateway")

duration = _meter.create_histogram(
    "http_server_duration", description="Time until an answer began, by verb, route and status", **SECONDS
)


def show_active(read: Callable[[], int]) -> None:
    """Show what `read()` tells whenever the metrics are read."""
    _meter.create_observable_up_down_counter(
        "http_server_active", [lambda _: [metrics.Observation(read())]], "{request}", "Requests that are being answered"
    )
