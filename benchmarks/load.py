"""Load over HTTP: connections that each send the next request as soon as the answer is there.

The bytes of the requests are made beforehand and of an answer only its length is read, so that the client takes a small
part of what an answer costs.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import uvloop

END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """Where requests go: the URL of a server, and the bytes that are sent to it, in turn."""

    url: str
    requests: Sequence[bytes]


def request(verb: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    """A request as a client sends it."""
    head = [f"{verb} {path} HTTP/1.1", "Host: localhost", "Accept: application/json"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + END_OF_HEAD + body


def requests_a_second(target: Target, *, connections: int, seconds: float) -> float:
    """How many answers came in a second. Raises `RuntimeError` for an answer other than 200."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_drive(target, connections, seconds))


async def _drive(target: Target, connections: int, seconds: float) -> float:
    loop, (host, _, port) = asyncio.get_running_loop(), urlsplit(target.url).netloc.partition(":")
    opened = [
        await loop.create_connection(lambda: _Connection(target.requests), host, int(port)) for _ in range(connections)
    ]
    began = time.perf_counter()
    for number, (transport, connection) in enumerate(opened):
        connection.begin(transport, number)
    await asyncio.sleep(seconds)
    for _, connection in opened:
        connection.stopping = True
    await asyncio.gather(*(connection.ended for _, connection in opened))
    elapsed = time.perf_counter() - began
    for transport, _ in opened:
        transport.close()
    return sum(connection.answered for _, connection in opened) / elapsed


@dataclass(eq=False)
class _Connection(asyncio.Protocol):
    requests: Sequence[bytes]
    answered: int = 0
    stopping: bool = False
    ended: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _received: bytes = b""
    _next: int = 0

    def begin(self, transport: asyncio.WriteTransport, number: int) -> None:
        self._transport, self._next = transport, number
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_ends = self._received.find(END_OF_HEAD)
        if head_ends < 0:
            return
        head = self._received[:head_ends].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._received) < head_ends + len(END_OF_HEAD) + length:
            return
        if not head.startswith(b"http/1.1 200"):
            self.ended.set_exception(RuntimeError(self._received.decode(errors="replace")))
            return
        self._received = b""
        self.answered += 1
        if self.stopping:
            self.ended.set_result(None)
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server closed the connection"))

    def _send(self) -> None:
        self._transport.write(self.requests[self._next % len(self.requests)])
        self._next += 1
