"""Load at a steady rate through a balancer of connections, as requests come to a cluster: each leaves at its time,
whether the one before it is answered or not.

The balancer is like a Service of Kubernetes. It chooses where a new connection goes, and hears late that an instance
was told to stop; connections that are open stay with their instance, until the server says in an answer that it closes
one. One that breaks under a request has failed it, for nothing is sent twice.
"""

import asyncio
import re
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load import END_OF_HEAD

REQUEST_SECONDS, IDLE_SECONDS = 15.0, 10.0
REQUESTS_OF_A_CONNECTION = 100


@dataclass(eq=False)
class Connection:
    """One that is open, and used for one request at a time."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    left: int = REQUESTS_OF_A_CONNECTION
    used: float = 0.0

    async def ask(self, sent: bytes) -> tuple[int, bool]:
        """The status of the answer, and whether the connection may be used again."""
        self.writer.write(sent)
        head = (await self.reader.readuntil(END_OF_HEAD)).lower()
        if b"content-length:" in head:
            await self.reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        self.left, self.used = self.left - 1, time.monotonic()
        return int(head.split(b" ", 2)[1]), self.left > 0 and b"\r\nconnection: close\r\n" not in head


@dataclass
class Balancer:
    """`ports` of this machine get new connections in turn; the rest of the fields is its own."""

    ports: list[int]
    free: deque[Connection] = field(default_factory=deque)
    opened: int = 0

    async def ask(self, sent: bytes) -> int:
        """The status of the answer. Raises OSError, EOFError or TimeoutError where there is none."""
        async with asyncio.timeout(REQUEST_SECONDS):
            connection = await self._connection()
            again = False
            try:
                status, again = await connection.ask(sent)
            finally:
                if again:
                    self.free.append(connection)
                else:
                    connection.writer.close()
        return status

    async def _connection(self) -> Connection:
        """The one that is free for the longest, so that all are used all the time, unless its server has closed it or
        may be about to; or a new one."""
        while self.free:
            connection = self.free.popleft()
            if time.monotonic() - connection.used < IDLE_SECONDS and not connection.reader.at_eof():
                return connection
            connection.writer.close()
        self.opened += 1
        return Connection(*await asyncio.open_connection("127.0.0.1", self.ports[self.opened % len(self.ports)]))


@dataclass
class Sent:
    """What became of requests: the seconds of those that were answered with 2xx, how often each other thing happened,
    and how many left in a second."""

    seconds: list[float] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    rate: float = 0.0


async def drive(balancer: Balancer, requests: Sequence[bytes], rate: float, stopping: asyncio.Event) -> Sent:
    """Send `rate` of the requests a second, in turn, until `stopping`; waits for the answers."""
    sent, began, number = Sent(), time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while not stopping.is_set():
            group.create_task(_send(balancer, requests[number % len(requests)], sent))
            number += 1
            await asyncio.sleep(began + number / rate - time.monotonic())
        sent.rate = number / (time.monotonic() - began)
    return sent


async def _send(balancer: Balancer, sending: bytes, sent: Sent) -> None:
    began = time.monotonic()
    try:
        status = await balancer.ask(sending)
        what = f"status {status}"
    except (OSError, EOFError, TimeoutError) as error:
        status, what = 0, repr(error)
    if 200 <= status < 300:
        sent.seconds.append(time.monotonic() - began)
    else:
        line = sending.split(b"\r\n", 1)[0].decode()
        sent.failed[f"{what} for {re.sub('[0-9a-f-]{36}', 'ID', line)}"] += 1
