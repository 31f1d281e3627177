"""What remains of each request: a span, a log line and metrics; and the header fields that every answer carries."""

import time

from opentelemetry import metrics, trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.telemetry import DURATION_BUCKETS, context_from, logger
from gateway.problems import CLIENT_CLOSED_REQUEST

PROBES = {"/healthz", "/readyz", "/metrics"}

log = logger(__name__)
_tracer = trace.get_tracer(__name__)
_meter = metrics.get_meter(__name__)
_duration = _meter.create_histogram(
    "http_server_duration",
    unit="s",
    description="Time until an answer began, by verb, route and status.",
    explicit_bucket_boundaries_advisory=list(DURATION_BUCKETS),
)


def observed(app: ASGIApp) -> ASGIApp:
    """The application with its requests observed."""
    active = 0
    _meter.create_observable_up_down_counter(
        "http_server_active",
        [lambda _: [metrics.Observation(active)]],
        description="Requests and streams being answered.",
    )

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            return await app(scope, receive, send)
        nonlocal active
        started, status, waited = time.monotonic(), CLIENT_CLOSED_REQUEST, None

        async def note(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.monotonic() - started
                message["headers"].append((b"x-content-type-options", b"nosniff"))
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        active += 1
        parent = context_from(dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1"))
        with trace.use_span(_tracer.start_span("HTTP", parent, trace.SpanKind.SERVER), end_on_exit=True) as span:
            try:
                await app(scope, receive, note)
            finally:
                active -= 1
                seconds = time.monotonic() - started
                route = scope.get("route", "none")
                verb = scope["method"] if "route" in scope else "other"
                ended = {"method": verb, "route": route, "status": status}
                _duration.record(seconds if waited is None else waited, ended)
                span.update_name(f"{verb} {route}")
                span.set_attributes(ended)
                log.info("http_request_answered", **ended, path=scope["path"], ms=round(seconds * 1000, 1))

    return observe
