"""What remains of each request: a span, a log line and metrics; and the header fields that every answer carries."""

import asyncio
import re
import time
from contextvars import Context, copy_context
from typing import Any

from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.telemetry import logger
from chassis.tracing import received, span, tell_http
from gateway import metrics
from gateway.problems import CLIENT_CLOSED_REQUEST

PROBES = {"/healthz", "/readyz", "/metrics"}
GATHERED_SECONDS = 0.1

log = logger(__name__)


def observed(app: ASGIApp, stopping: asyncio.Event) -> ASGIApp:
    """The application with its requests observed.

    What remains of the requests of a tenth of a second is written together: one by one it would take several times as
    long, because a processor that has done something else in between has forgotten how.
    """
    active, ended = set[int](), list[tuple[Context, float, dict[str, Any], dict[str, Any]]]()
    metrics.show_active(lambda: len(active))

    def write() -> None:
        written, ended[:] = ended[:], []
        for context, seconds, request, more in written:
            context.run(metrics.duration.record, seconds, request)
            context.run(log.info, "http_request_answered", **request, **more)

    async def observe(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            write()
            return await app(scope, receive, send)
        started, status, waited = time.monotonic(), CLIENT_CLOSED_REQUEST, None

        async def note(message: Message) -> None:
            nonlocal status, waited
            if message["type"] == "http.response.start":
                status, waited = message["status"], time.monotonic() - started
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    message["headers"].append((b"cache-control", b"no-store"))
                if stopping.is_set():  # or the connection would be closed while its next request is on the way
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        active.add(id(scope))
        came_with = received({"traceparent": dict(scope["headers"]).get(b"traceparent", b"").decode("latin-1")})
        with span("HTTP", SpanKind.SERVER, context=came_with) as answered:
            try:
                await app(scope, receive, note)
            finally:
                active.discard(id(scope))
                seconds, named = time.monotonic() - started, scope.get("path_params", {}).items()
                verb, route = (scope["method"], scope["route"]) if "route" in scope else ("other", "none")
                request = {"method": verb, "route": route, "status": status}
                tell_http(answered, verb, route, status)
                # Of the path the ids alone: the rest is the route, and in place of an id anybody may write anything.
                ids = {name: one for name, one in named if re.fullmatch("[0-9a-f-]{36}", one)}
                ended.append((copy_context(), waited or seconds, request, ids | {"ms": round(seconds * 1000, 1)}))
                if stopping.is_set():
                    write()
                elif len(ended) == 1:
                    asyncio.get_running_loop().call_later(GATHERED_SECONDS, write)

    return observe
