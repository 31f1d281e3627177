"""A name server on this machine, of which a test says what it knows and whom it leaves without an answer."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

A, AAAA = 1, 28
ANSWER, NO_SUCH_NAME = 0x8180, 0x8183


@dataclass
class NameServer(asyncio.DatagramProtocol):
    """`known` has the IPv4 address of each name; what ends with one of `silent` is never answered. Answers hold for no
    time, so that what is asked again is looked up again. `asked` are the names in the order of their coming."""

    known: dict[str, str] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        host, port = transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels, place = [], 12
        while length := data[place]:
            labels.append(data[place + 1 : place + 1 + length].decode().lower())
            place += 1 + length
        question, [kind] = data[12 : place + 5], struct.unpack("!H", data[place + 1 : place + 3])
        name = ".".join(labels)
        self.asked.append(name)
        if self.silent and name.endswith(self.silent):
            return
        found = [self.known[name]] if kind == A and name in self.known else []
        told = ANSWER if name in self.known else NO_SUCH_NAME
        records = b"".join(struct.pack("!HHHIH", 0xC00C, A, 1, 0, 4) + ip_address(one).packed for one in found)
        head = data[:2] + struct.pack("!HHHHH", told, 1, len(found), 0, 0)
        self._transport.sendto(head + question + records, addr)


@asynccontextmanager
async def name_server() -> AsyncIterator[NameServer]:
    """Answer on a port of 127.0.0.1."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
