import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from chassis.errors import Unavailable
from chassis.transaction import Tx
from chassis.work import waking, work

SECONDS = 5


class Queue:
    """Work to claim, and what was done of it."""

    def __init__(self, *claims: Sequence[str] | Exception) -> None:
        self.claims = list(claims)
        self.done: list[str] = []
        self.idle = asyncio.Event()

    async def claim(self) -> Sequence[str]:
        if not self.claims:
            self.idle.set()
            return ()
        claim = self.claims.pop(0)
        if isinstance(claim, Exception):
            raise claim
        return claim

    async def do(self, piece: str) -> None:
        if piece == "broken":
            raise ValueError(piece)
        self.done.append(piece)


async def worked_until_idle(queue: Queue, wake: asyncio.Event, poll_seconds: float = 60) -> "asyncio.Task[None]":
    worker = asyncio.create_task(work("test", queue.claim, queue.do, wake=wake, poll_seconds=poll_seconds))
    async with asyncio.timeout(SECONDS):
        await queue.idle.wait()
    return worker


async def ended(worker: "asyncio.Task[None]") -> None:
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_claims_go_on_until_nothing_is_left() -> None:
    queue = Queue(["a", "b"], ["c"])
    await ended(await worked_until_idle(queue, asyncio.Event()))
    assert queue.done == ["a", "b", "c"]


async def test_a_piece_that_raises_does_not_hold_up_the_others() -> None:
    queue = Queue(["broken", "a"], ["b"])
    await ended(await worked_until_idle(queue, asyncio.Event()))
    assert queue.done == ["a", "b"]


async def test_a_wake_starts_the_next_claim_before_the_poll() -> None:
    queue, wake = Queue(), asyncio.Event()
    worker = await worked_until_idle(queue, wake)
    queue.claims.append(["a"])
    queue.idle.clear()
    wake.set()
    async with asyncio.timeout(SECONDS):
        await queue.idle.wait()
    await ended(worker)
    assert queue.done == ["a"]


async def test_a_database_that_is_away_is_asked_again() -> None:
    queue = Queue(Unavailable(), ["a"])
    await ended(await worked_until_idle(queue, asyncio.Event(), poll_seconds=0.01))
    assert queue.done == ["a"]


async def test_a_cancelled_worker_cancels_what_it_does() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def claim() -> Sequence[str]:
        return ["endless"]

    async def do(piece: str) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    worker = asyncio.create_task(work("test", claim, do, wake=asyncio.Event()))
    async with asyncio.timeout(SECONDS):
        await started.wait()
    await ended(worker)
    assert cancelled.is_set()


async def test_a_worker_is_woken_by_a_commit_and_not_by_a_rollback() -> None:
    wake = asyncio.Event()

    @asynccontextmanager
    async def begin() -> AsyncIterator[Tx[None]]:
        yield cast("Tx[None]", Any)

    with pytest.raises(ValueError, match="rolled back"):
        async with waking(begin, wake)():
            raise ValueError("rolled back")
    assert not wake.is_set()
    async with waking(begin, wake)():
        pass
    assert wake.is_set()
