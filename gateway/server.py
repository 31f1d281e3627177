"""uvicorn as a part of the process: it starts and stops with the others, and leaves signals alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.settings import Settings

MAX_HEAD_BYTES = 512 * 1024
OFF: dict[str, Any] = {"access_log": False, "server_header": False, "proxy_headers": False, "log_config": None}
TIMES: dict[str, Any] = {"timeout_keep_alive": 30, "timeout_graceful_shutdown": 10}


ON_HANG_UP = "on_hang_up"
"""In the scope of a request: what is called when its caller closes the connection before it is answered."""


class Connection(HttpToolsProtocol):
    """Ends when its header fields do not end; uvicorn would keep them all. Tells a request that its caller is gone."""

    head_bytes = 0

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        complete = self.cycle is not None and self.cycle.scope is self.scope
        self.head_bytes = 0 if complete else self.head_bytes + len(data)
        if self.head_bytes > MAX_HEAD_BYTES:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        scope: dict[str, Any] = dict(self.cycle.scope) if self.cycle and not self.cycle.response_complete else {}
        if ON_HANG_UP in scope:
            scope[ON_HANG_UP]()


@asynccontextmanager
async def http_server(app: ASGIApp, settings: Settings) -> AsyncIterator[int]:
    """Serve HTTP until the block ends; yields the port. Raises `OSError` if the address cannot be bound.

    At its end requests are answered for `drain_seconds` more, while load balancers learn that this instance is not
    ready; then no connection is accepted, and what is being answered has 10 s.
    """
    host, _, port = settings.http_bind.rpartition(":")
    listening = socket.create_server((host, int(port)))
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", **OFF, **TIMES)
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
