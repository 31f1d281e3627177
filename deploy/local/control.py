"""How the command line and tests talk to the supervisor: one JSON object each way over a socket in the home."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from deploy.local.home import Home, Trouble

Message = dict[str, Any]


@asynccontextmanager
async def serve(home: Home, answer: Callable[[Message], Awaitable[Message]]) -> AsyncIterator[None]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await asyncio.wait_for(reader.readline(), timeout=5))
            try:
                reply = await answer(request)
            except Trouble as trouble:
                reply = {"trouble": str(trouble)}
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        finally:
            writer.close()

    home.control_socket.unlink(missing_ok=True)  # left by a supervisor that was killed
    server = await asyncio.start_unix_server(talk, home.control_socket)
    try:
        yield
    finally:
        server.close()
        home.control_socket.unlink(missing_ok=True)


def ask(home: Path, request: str, *, timeout: float = 30, **arguments: str) -> Message:
    """The supervisor's reply. Raises `Trouble` with its sentence when it refuses, and ConnectionError or
    FileNotFoundError when no supervisor listens."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        connection.connect(str(home / "control.sock"))
        connection.sendall(json.dumps({"request": request, **arguments}).encode() + b"\n")
        with connection.makefile() as reply:
            line = reply.readline()
    if not line:
        raise ConnectionResetError("the supervisor ended while it was asked")
    message: Message = json.loads(line)
    if "trouble" in message and len(message) == 1:
        raise Trouble(message["trouble"])
    return message
