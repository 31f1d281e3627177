"""When a worker takes another run: an encoder is free, or soon will be."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace

from chassis.clock import new_id, utc_now
from services.media.domain.job import Job, Run
from services.media.usecases.lanes import AHEAD_SECONDS, Lanes
from services.media.usecases.progress import Progress

JOB = Job(new_id(), new_id(), 1, new_id(), new_id(), "free", "uploads/a/original.mp4", 1)
RUN = Run(new_id(), 1, 1, JOB, utc_now(), None)


def a_run() -> Run:
    return replace(RUN, run_id=new_id())


def progress_with(seconds_left: float) -> Progress:
    """Of an encode whose first half took as long as the second will."""
    now = 0.0
    progress = Progress(lambda: now)
    progress.report("encode", 0)
    now = seconds_left - 1
    progress.report("encode", 0.5)
    return progress


async def claims(lanes: Lanes) -> bool:
    """Whether the lanes claim a run that is due, within a moment."""

    async def due() -> bool:
        return True

    async def claim() -> list[Run]:
        return [a_run()]

    try:
        async with asyncio.timeout(0.05):
            return bool(await lanes.claim(due, claim, 0.01))
    except TimeoutError:
        return False


async def test_as_many_runs_are_claimed_as_there_are_encoders() -> None:
    lanes = Lanes(2)
    assert [await claims(lanes) for _ in range(3)] == [True, True, False]


async def test_the_next_run_is_claimed_shortly_before_an_encoder_is_free() -> None:
    for seconds_left, expected in ((AHEAD_SECONDS + 1, False), (AHEAD_SECONDS, True)):
        lanes = Lanes(1)
        async with lanes.encoding(a_run(), progress_with(seconds_left)):
            assert await claims(lanes) is expected


async def test_only_one_run_is_made_ready_ahead() -> None:
    lanes = Lanes(1)
    async with lanes.encoding(a_run(), progress_with(1)):
        assert [await claims(lanes) for _ in range(2)] == [True, False]


async def test_a_run_that_ends_before_its_turn_makes_room() -> None:
    lanes, taken = Lanes(1), list[Run]()

    async def due() -> bool:
        return True

    async def claim() -> list[Run]:
        taken.append(a_run())
        return taken[-1:]

    await lanes.claim(due, claim, 0.01)
    assert not lanes.has_room
    lanes.leave(taken[0])
    assert lanes.has_room


async def test_a_run_waits_for_its_turn_and_a_cancelled_one_keeps_nobody() -> None:
    lanes, entered = Lanes(1), asyncio.Event()

    async def encode() -> None:
        async with lanes.encoding(a_run(), progress_with(1)):
            entered.set()

    async with AsyncExitStack() as first:
        await first.enter_async_context(lanes.encoding(a_run(), progress_with(1)))
        cancelled, waiting = asyncio.create_task(encode()), asyncio.create_task(encode())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert not entered.is_set()
    await asyncio.wait_for(waiting, 5)
    assert entered.is_set()
