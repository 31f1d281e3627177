"""uvicorn as a part of the process: it starts and stops with the others, and leaves signals alone."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from gateway.settings import Settings

OFF: dict[str, Any] = {"ws": "none", "lifespan": "off", "log_config": None, "server_header": False}
TIMES: dict[str, Any] = {"timeout_keep_alive": 30, "timeout_graceful_shutdown": 8}


@asynccontextmanager
async def http_server(app: ASGIApp, settings: Settings) -> AsyncIterator[int]:
    """Serve HTTP until the block ends; yields the port. Raises `OSError` if the address cannot be bound.

    At its end requests are answered for `drain_seconds` more, while load balancers learn that this instance is not
    ready; then no connection is accepted, and what is being answered has 8 s.
    """
    host, _, port = settings.http_bind.rpartition(":")
    listening = socket.create_server((host, int(port)))
    config = uvicorn.Config(app, http="httptools", limit_concurrency=settings.max_connections, **OFF, **TIMES)
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
