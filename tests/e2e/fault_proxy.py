"""A bad network: an HTTP proxy that cuts, delays, truncates and answers 503 at random.

    async with fault_proxy(random.Random(1), chance=0.25) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.address)
        ...
    proxy.passages     # what was asked for, and what became of it

Each request has a connection of its own. The proxy knows what the server answered, also where its client is not told.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Harm = Literal["refused", "cut before", "cut within", "answer lost", "answer truncated", "delayed", "none"]
HARMS: tuple[Harm, ...] = ("refused", "cut before", "cut within", "answer lost", "answer truncated", "delayed")
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PIECE_BYTES = 64 * 1024
SECONDS = 60.0


@dataclass
class Passage:
    """One request: what became of it here, and the server's status where it answered."""

    verb: str
    url: str
    harm: Harm
    status: int | None = None

    @property
    def arrived(self) -> bool:
        """Whether the server took it."""
        return self.status is not None and self.status < 400


@dataclass
class FaultProxy:
    """The proxy as its test sees it."""

    chances: random.Random
    chance: float
    address: str = ""
    passages: list[Passage] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, with one request."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(SECONDS):
                await self._pass(reader, writer)
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").rstrip().split("\r\n")
        verb, url, _ = line.split(" ")
        length = next((int(h.partition(":")[2]) for h in headers if h.lower().startswith("content-length:")), 0)
        harm = self.chances.choice(HARMS) if self.chances.random() < self.chance else "none"
        passage = Passage(verb, url, harm)
        self.passages.append(passage)
        if harm == "refused":
            await _drop(reader, length)
            writer.write(REFUSAL)
            await writer.drain()
            return
        if harm == "cut before":
            return
        if harm == "delayed":
            await asyncio.sleep(self.chances.uniform(0.1, 0.6))
        answer = await self._forward(passage, headers, reader, length)
        if harm == "answer truncated":
            answer = answer[: len(answer) // 2 if b"\r\n\r\n" in answer[: len(answer) // 2] else 20]
        if harm not in ("cut within", "answer lost"):
            writer.write(answer)
            await writer.drain()

    async def _forward(self, passage: Passage, headers: list[str], reader: asyncio.StreamReader, length: int) -> bytes:
        """Send it on, and say the whole answer; of one that is cut within, send half."""
        at = urlsplit(passage.url)
        from_server, to_server = await asyncio.open_connection(at.hostname, at.port)
        try:
            kept = [h for h in headers if not h.lower().startswith(("connection:", "proxy-"))]
            path = at.path + (f"?{at.query}" if at.query else "")
            lines = [f"{passage.verb} {path} HTTP/1.1", *kept, "Connection: close", "", ""]
            to_server.write("\r\n".join(lines).encode("latin-1"))
            left = length // 2 if passage.harm == "cut within" else length
            while left:
                piece = await reader.read(min(left, PIECE_BYTES))
                if not piece:
                    raise ConnectionResetError
                to_server.write(piece)
                await to_server.drain()
                left -= len(piece)
            if passage.harm == "cut within" and length:
                return b""
            answer = await from_server.read()
            if answer:
                passage.status = int(answer.split(b" ", 2)[1])
            return answer
        finally:
            to_server.transport.abort()


async def _drop(reader: asyncio.StreamReader, length: int) -> None:
    while length and (piece := await reader.read(min(length, PIECE_BYTES))):
        length -= len(piece)


@asynccontextmanager
async def fault_proxy(chances: random.Random, chance: float) -> AsyncIterator[FaultProxy]:
    """Run the proxy on a free port; harm comes to each request with this chance."""
    proxy = FaultProxy(chances, chance)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2**20)
    proxy.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await server.wait_closed()
