"""When a process is ready: it accepts connections, its readiness URL answers 200, or it lets users in.

asyncio alone, because an HTTP client would cost the supervisor more memory than the question is worth.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable

_SECONDS = 2.0

Ready = Callable[[], Awaitable[bool]]


def accepts(port: int) -> Ready:
    """Ready when something listens on the port of 127.0.0.1."""

    async def ready() -> bool:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True

    return ready


def answers(port: int, path: str) -> Ready:
    """Ready when GET of the path on 127.0.0.1 answers 200."""

    async def ready() -> bool:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                status_line = await reader.readline()
            finally:
                writer.close()
            return status_line.split()[1:2] == [b"200"]

    return ready


def lets_in(port: int) -> Ready:
    """Ready when the PostgreSQL server on the port asks for a password; while it recovers, it accepts connections but
    refuses sessions."""
    parameters = b"user\0postgres\0\0"
    hello = struct.pack("!ii", 8 + len(parameters), 3 << 16) + parameters

    async def ready() -> bool:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(hello)
                await writer.drain()
                return await reader.readexactly(1) == b"R"
            finally:
                writer.close()

    return ready
