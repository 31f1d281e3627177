"""The transport of a connection: what is written in one turn of the event loop leaves as one piece."""

import asyncio
from typing import cast

from gateway.server import Gathering


class Sent:
    """Notes what a transport is told."""

    def __init__(self) -> None:
        self.said: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.said.append(data)

    def close(self) -> None:
        self.said.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.said


def gathering() -> tuple[Gathering, Sent]:
    sent = Sent()
    return Gathering(cast(asyncio.Transport, sent), asyncio.get_running_loop()), sent


async def test_head_and_body_leave_together_and_the_next_answer_after_them() -> None:
    transport, sent = gathering()
    transport.write(b"head ")
    transport.write(b"body")
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert sent.said == [b"head body", b"next"]


async def test_what_was_written_leaves_before_the_connection_is_closed() -> None:
    transport, sent = gathering()
    transport.write(b"last")
    transport.close()
    await asyncio.sleep(0)
    assert sent.said == [b"last", "closed"]


async def test_nothing_is_written_to_a_connection_that_was_lost() -> None:
    transport, sent = gathering()
    transport.write(b"late")
    sent.close()
    await asyncio.sleep(0)
    assert sent.said == ["closed"]
