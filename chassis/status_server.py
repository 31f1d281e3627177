"""/metrics, /healthz and /readyz of a process: what probes and Prometheus ask, and nothing more.

asyncio alone, because an HTTP framework in every process would cost more memory than the three answers are worth.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, closing, suppress
from http import HTTPStatus

import prometheus_client

REQUEST_SECONDS = 5.0
REQUEST_BYTES = 16 * 1024


Unready = Callable[[], Awaitable[Mapping[str, str]]]
"""Tells why a process is not ready, by the names of its checks; nothing when it is."""


async def status_reply(path: str, unready: Unready, facts: Mapping[str, object]) -> tuple[HTTPStatus, str, bytes]:
    """Status, content type and body of the answer at a path.

    /healthz is 200 while the event loop turns, /readyz 200 or 503 with the reasons of `unready()` and with `facts`,
    which say how the process is running and change nothing.
    """
    match path:
        case "/healthz":
            return HTTPStatus.OK, "application/json", b'{"status":"ok"}'
        case "/readyz":
            reasons = dict(await unready())
            status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
            return status, "application/json", json.dumps({"unready": reasons, **facts}).encode()
        case "/metrics":
            return HTTPStatus.OK, prometheus_client.CONTENT_TYPE_LATEST, prometheus_client.generate_latest()
    return HTTPStatus.NOT_FOUND, "text/plain", b"/healthz, /readyz or /metrics\n"


@asynccontextmanager
async def status_server(bind: str, unready: Unready, facts: Mapping[str, object]) -> AsyncIterator[int]:
    """Answer on `bind` (host:port) until the block ends; yields the port. Raises `OSError` if it cannot be bound."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The caller may go away or speak something else; nobody is left to be told then.
        with (
            closing(writer),
            suppress(TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
        ):
            async with asyncio.timeout(REQUEST_SECONDS):
                _, path, _ = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)
                status, kind, body = await status_reply(path.decode().partition("?")[0], unready, facts)
                head = f"{status} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
                writer.write(f"HTTP/1.1 {head}\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()

    host, _, port = bind.rpartition(":")
    server = await asyncio.start_server(answer, host, int(port), limit=REQUEST_BYTES)
    async with server:
        yield server.sockets[0].getsockname()[1]
