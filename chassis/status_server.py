"""/metrics, /healthz and /readyz of a process: what probes and Prometheus ask, and nothing more.

asyncio alone, because an HTTP framework in every process would cost more memory than the three answers are worth.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import prometheus_client

from chassis.telemetry import metrics_text

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 16 * 1024

Unready = Callable[[], Awaitable[Mapping[str, str]]]


@asynccontextmanager
async def status_server(bind: str, unready: Unready) -> AsyncIterator[int]:
    """Answer on `bind` (host:port) until the block ends; yields the port.

    /healthz is 200 while the event loop turns, /readyz 200 or 503 with the reasons of `unready()`. Raises `OSError`
    if the address cannot be bound.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _reply(head, unready))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the caller went away or talks something else; nobody is left to be told
        finally:
            writer.close()

    host, _, port = bind.rpartition(":")
    server = await asyncio.start_server(answer, host, int(port), limit=REQUEST_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _reply(head: bytes, unready: Unready) -> bytes:
    method, _, rest = head.partition(b" ")
    match method, rest.partition(b" ")[0].partition(b"?")[0]:
        case b"GET", b"/healthz":
            return _response("200 OK", "application/json", b'{"status":"ok"}')
        case b"GET", b"/readyz":
            reasons = await unready()
            body = json.dumps({"status": "unready" if reasons else "ready", "reasons": dict(reasons)}).encode()
            return _response("503 Service Unavailable" if reasons else "200 OK", "application/json", body)
        case b"GET", b"/metrics":
            return _response("200 OK", prometheus_client.CONTENT_TYPE_LATEST, metrics_text())
        case _:
            return _response("404 Not Found", "text/plain", b"GET /healthz, /readyz or /metrics\n")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
