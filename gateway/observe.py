"""What remains of each request: a span, a log line and metrics; and the header fields that every answer carries."""

import time

from opentelemetry import metrics, trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.telemetry import DURATION_BUCKETS, context_from, logger
from gateway.problems import CLIENT_CLOSED_REQUEST

PROBES = {"/healthz", "/readyz", "/metrics"}

log = logger(__name__)
_tracer = trace.get_tracer(__name__)
_meter = metrics.get_meter(__name__)
_active = _meter.create_up_down_counter("http_server_active", description="Requests and streams being answered.")
_duration = _meter.create_histogram(
    "http_server_duration",
    unit="s",
    description="Time until an answer began, by verb, route and status.",
    explicit_bucket_boundaries_advisory=list(DURATION_BUCKETS),
)


def observed(app: ASGIApp) -> ASGIApp:
    """The application with its requests observed."""

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            return await app(scope, receive, send)
        started, status, waited = time.monotonic(), CLIENT_CLOSED_REQUEST, None

        async def note(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.monotonic() - started
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        _active.add(1)
        parent = context_from(Headers(scope=scope).get("traceparent"))
        with _tracer.start_as_current_span("HTTP", parent, trace.SpanKind.SERVER) as span:
            try:
                await app(scope, receive, note)
            finally:
                _active.add(-1)
                seconds = time.monotonic() - started
                route = scope["route"].path if "route" in scope else "none"
                verb = scope["method"] if "route" in scope else "other"
                ended = {"method": verb, "route": route, "status": status}
                _duration.record(seconds if waited is None else waited, ended)
                span.update_name(f"{verb} {route}")
                span.set_attributes(ended)
                log.info("http_request_answered", **ended, path=scope["path"], ms=round(seconds * 1000, 1))

    return observe
