"""Work whose pieces do not wait for each other."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from services.notify.apart import work_apart


@asynccontextmanager
async def working(
    claim: Callable[[], Awaitable[Sequence[int]]], do: Callable[[int], Awaitable[None]]
) -> AsyncIterator[asyncio.Event]:
    """The loop runs while the block does; what wakes it."""
    wake = asyncio.Event()
    loop = asyncio.ensure_future(work_apart("test", claim, do, wake=wake, poll_seconds=60))
    try:
        async with asyncio.timeout(10):
            yield wake
    finally:
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop


async def test_a_piece_that_hangs_does_not_keep_others_from_being_claimed_and_done() -> None:
    waiting, done, all_done = list(range(5)), [], asyncio.Event()
    room = 2

    async def claim() -> Sequence[int]:
        claimed = waiting[:room]
        del waiting[:room]
        return claimed

    async def do(piece: int) -> None:
        if piece == 0:
            await asyncio.Event().wait()
        done.append(piece)
        if len(done) == 4:
            all_done.set()

    async with working(claim, do):
        await all_done.wait()
    assert sorted(done) == [1, 2, 3, 4]


async def test_the_end_of_a_piece_makes_room_and_wakes() -> None:
    under_way, waiting, done = set[int](), list(range(10)), asyncio.Event()
    most = 0

    async def claim() -> Sequence[int]:
        claimed = waiting[: 2 - len(under_way)]
        del waiting[: len(claimed)]
        under_way.update(claimed)
        return claimed

    async def do(piece: int) -> None:
        nonlocal most
        most = max(most, len(under_way))
        await asyncio.sleep(0)
        under_way.discard(piece)
        if not waiting and not under_way:
            done.set()

    async with working(claim, do):
        await done.wait()
    assert most == 2


async def test_a_piece_that_raises_leaves_the_loop_running() -> None:
    waiting, done = [0, 1], asyncio.Event()

    async def claim() -> Sequence[int]:
        return [waiting.pop(0)] if waiting else []

    async def do(piece: int) -> None:
        if piece == 0:
            raise ValueError(piece)
        done.set()

    async with working(claim, do):
        await done.wait()


async def test_pieces_under_way_are_cancelled_with_the_loop() -> None:
    waiting, begun, cancelled = [0], asyncio.Event(), []

    async def claim() -> Sequence[int]:
        return [waiting.pop(0)] if waiting else []

    async def do(piece: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(piece)
            raise

    async with working(claim, do):
        await begun.wait()
    assert cancelled == [0]
