"""/metrics, /healthz and /readyz of a process: what probes and Prometheus ask, and nothing more.

asyncio alone, because an HTTP framework in every process would cost more memory than the three answers are worth.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress

import prometheus_client

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 16 * 1024


@asynccontextmanager
async def status_server(
    bind: str, unready: Callable[[], Awaitable[Mapping[str, str]]], facts: Mapping[str, object]
) -> AsyncIterator[int]:
    """Answer on `bind` (host:port) until the block ends; yields the port. Raises `OSError` if it cannot be bound.

    /healthz is 200 while the event loop turns, /readyz 200 or 503 with the reasons of `unready()` and with `facts`,
    which say how the process is running and change nothing.
    """

    async def reply(path: bytes) -> tuple[str, str, bytes]:
        match path.partition(b"?")[0]:
            case b"/healthz":
                return "200 OK", "application/json", b'{"status":"ok"}'
            case b"/readyz":
                reasons = await unready()
                status = "503 Service Unavailable" if reasons else "200 OK"
                return status, "application/json", json.dumps({"unready": dict(reasons), **facts}).encode()
            case b"/metrics":
                return "200 OK", prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest()
        return "404 Not Found", "text/plain", b"/healthz, /readyz or /metrics\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The caller may go away or speak something else; nobody is left to be told then.
        with (
            closing(writer),
            suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
        ):
            async with asyncio.timeout(REQUEST_SECONDS):
                _, path, _ = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
                status, kind, body = await reply(path)
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close"
                writer.write(head.encode() + b"\r\n\r\n" + body)
                await writer.drain()

    host, _, port = bind.rpartition(":")
    server = await asyncio.start_server(answer, host, int(port), limit=REQUEST_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]
