"""uvicorn as a part of the process: it starts and stops with the others, and leaves signals alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.errors import Unavailable
from gateway.problems import problem_response
from gateway.settings import Settings

MAX_HEAD_BYTES = 512 * 1024
HEAD_SECONDS = 10.0
GIVEN: dict[str, Any] = {"access_log": False, "server_header": False, "proxy_headers": False, "log_config": None}
GIVEN |= {"timeout_keep_alive": 30, "timeout_graceful_shutdown": 10, "headers": [("X-Content-Type-Options", "nosniff")]}


ON_HANG_UP = "on_hang_up"
"""In the scope of a request: what is called when its caller closes the connection before it is answered."""


class Connection(HttpToolsProtocol):
    """Ends when a request does not end, in header fields or time; uvicorn would wait for ever. One too many is told so.
    Tells a request that its caller is gone."""

    head_bytes = 0
    whole = False  # whether the last data ended a request
    timer: asyncio.TimerHandle | None = None  # while a request is incomplete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.transport = cast("asyncio.Transport", Gathering(transport, self.loop))
        limit, self.limit_concurrency = self.limit_concurrency, None
        if limit is not None and len(self.connections) > limit:
            self.app = _full
        self.timer = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def data_received(self, data: bytes) -> None:
        self.whole = False
        super().data_received(data)
        complete = self.cycle is not None and self.cycle.scope is self.scope
        self.head_bytes = 0 if complete else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()
        if complete and self.whole:
            self.stop_timer()
        elif not self.timer:
            self.timer = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.whole = True

    def give_up(self) -> None:
        """Close the connection of an incomplete request, unless it is being answered: who does reads its body."""
        if self.cycle is None or self.cycle.scope is not self.scope or self.cycle.response_complete:
            self.transport.abort()
        else:
            self.timer = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def stop_timer(self) -> None:
        if self.timer:
            self.timer.cancel()
            self.timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.stop_timer()
        scope: dict[str, Any] = dict(self.cycle.scope) if self.cycle and not self.cycle.response_complete else {}
        if ON_HANG_UP in scope:
            scope[ON_HANG_UP]()


class Gathering:
    """A transport that sends together what is written in one turn of the event loop: the head of an answer and its
    body, which uvicorn writes apart. Each would be a packet and a system call, here and at who receives them."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._written = transport, loop, list[bytes]()

    def write(self, data: bytes) -> None:
        if not self._written:
            self._loop.call_soon(self.flush)
        self._written.append(data)

    def flush(self) -> None:
        written, self._written = self._written, []
        if written and not self._transport.is_closing():
            self._transport.write(b"".join(written))

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    failure = Unavailable("This gateway has as many connections as it takes.", retry_after=5)
    await problem_response(failure, Connection="close")(scope, receive, send)


@asynccontextmanager
async def http_server(app: ASGIApp, settings: Settings) -> AsyncIterator[int]:
    """Serve HTTP until the block ends; yields the port. Raises `OSError` if the address cannot be bound.

    At its end requests are answered for `drain_seconds` more, while load balancers learn that this instance is not
    ready; then no connection is accepted, and what is being answered has the 10 s that every request has.
    """
    host, _, port = settings.http_bind.rpartition(":")
    listening = socket.create_server((host, int(port)))
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", **GIVEN)
    config.limit_concurrency = settings.max_connections
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup([listening])
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield listening.getsockname()[1]
        await asyncio.sleep(settings.drain_seconds)
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown([listening])
