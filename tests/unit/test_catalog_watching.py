"""Watchers: one query a tick however many they are, and the latest alone for who is slow."""

import asyncio
import gc
import weakref
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from chassis.errors import Unavailable
from services.catalog.domain import commands
from services.catalog.domain.outlook import RunProgress
from services.catalog.domain.video import Status, Visibility
from services.catalog.reads.status import OwnVideo, Standing
from services.catalog.reads.watching import Watchers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOLD = commands.Description("A clip", "", "sports", Visibility.PUBLIC)


def standing(
    status: Status, sequence: int, percent: int | None = None, of: Standing | None = None, generation: int = 1
) -> Standing:
    video_id, user_id = of.own if of else (uuid4(), uuid4())
    draft = commands.draft(video_id, user_id, uuid4(), TOLD, NOW).video
    video = replace(
        draft,
        status=status,
        sequence=sequence,
        generation=generation,
        uploaded_at=NOW if status is Status.PROCESSING else None,
    )
    return Standing(video, None if percent is None else RunProgress(percent, None, NOW))


async def next_of(watchers: Watchers, first: Standing, after_sequence: int, later: list[Standing]) -> list[Standing]:
    """What a watcher is given who is told `later` one by one, and who then waits no longer."""
    given = []

    async def watch() -> None:
        async with aclosing(watchers.watch(first, after_sequence)) as standings:
            async for each in standings:
                given.append(each)

    watching = asyncio.create_task(watch())
    for each in later:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        watchers.tell({each.own: each})
    for _ in range(3):
        await asyncio.sleep(0)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return given


async def test_a_thousand_watchers_cost_one_query_a_tick_and_are_all_told() -> None:
    watchers, asked, told = Watchers(), Counter[int](), 0
    present = [standing(Status.PROCESSING, 4) for _ in range(1000)]
    ready = {s.own: standing(Status.PUBLISHED, 6, of=s) for s in present}

    async def read(watched: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        asked[len(watched)] += 1
        return ready

    async def watch(first: Standing) -> None:
        nonlocal told
        async with aclosing(watchers.watch(first, after_sequence=4)) as standings:
            async for each in standings:
                told += each.video.status is Status.PUBLISHED

    async with asyncio.timeout(10):
        watching = [asyncio.create_task(watch(each)) for each in present]
        await asyncio.sleep(0)
        informing = asyncio.create_task(watchers.keep_informed(read, seconds=60))
        await asyncio.gather(*watching)
    informing.cancel()
    assert (asked, told) == ({1000: 1}, 1000)
    assert not watchers.watched


async def test_a_slow_reader_gets_the_latest_alone() -> None:
    watchers, first = Watchers(), standing(Status.PROCESSING, 4)
    async with asyncio.timeout(10), aclosing(watchers.watch(first)) as standings:
        assert await anext(standings) == first
        for percent in range(50):
            watchers.tell({first.own: standing(Status.PROCESSING, 4, percent, first)})
        latest = await anext(standings)
        assert latest.run
        assert latest.run.percent == 49


async def test_what_a_slow_reader_has_missed_is_not_kept() -> None:
    watchers, first = Watchers(), standing(Status.PROCESSING, 4)
    missed = list[weakref.ref[Standing]]()
    async with aclosing(watchers.watch(first)) as standings:
        await anext(standings)
        for percent in range(50):
            told = standing(Status.PROCESSING, 4, percent, first)
            missed.append(weakref.ref(told))
            watchers.tell({told.own: told})
        del told
        gc.collect()
        assert [reference() is None for reference in missed] == [True] * 49 + [False]
    gc.collect()
    assert all(reference() is None for reference in missed)


async def test_a_watcher_is_never_taken_back_by_a_replica_that_is_behind() -> None:
    first = standing(Status.PROCESSING, 4, 50)
    later = [
        standing(Status.UPLOADED, 3, None, first),
        standing(Status.PROCESSING, 4, 40, first),
        first,
        standing(Status.PROCESSING, 4, 60, first),
    ]
    assert await next_of(Watchers(), first, 0, later) == [first, later[-1]]


async def test_who_has_seen_the_present_status_is_told_of_its_progress_from_now_on() -> None:
    first = standing(Status.PROCESSING, 4, 50)
    further = standing(Status.PROCESSING, 4, 60, first)
    assert await next_of(Watchers(), first, 4, [further]) == [further]


async def test_the_watch_ends_after_what_ends_the_way() -> None:
    for status in (
        Status.PUBLISHED,
        Status.REJECTED_TOO_LONG,
        Status.REJECTED_FORMAT,
        Status.PROCESSING_FAILED,
        Status.DELETED,
    ):
        last = standing(status, 6)
        async with asyncio.timeout(10):
            assert [each async for each in Watchers().watch(last)] == [last]
            assert [each async for each in Watchers().watch(last, after_sequence=6)] == []


async def test_watching_goes_on_after_the_database_was_away() -> None:
    watchers, first, tries = Watchers(), standing(Status.PROCESSING, 4), 0
    ended = standing(Status.DELETED, 5, of=first)

    async def read(watched: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Unavailable
        return {first.own: ended}

    async with asyncio.timeout(10):
        informing = asyncio.create_task(watchers.keep_informed(read, seconds=0.001))
        assert [each async for each in watchers.watch(first)] == [first, ended]
    informing.cancel()
    assert tries == 3


async def test_what_changes_in_this_instance_is_told_at_once_but_only_once_in_a_tick() -> None:
    watchers, looks = Watchers(), asyncio.Semaphore(0)
    before = standing(Status.PROCESSING, 4)
    after, there = standing(Status.READY, 5, of=before), before

    async def read(asked: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        looks.release()
        return {there.own: there}

    async with aclosing(watchers.watch(before)) as changes:
        assert await anext(changes) == before
        informing = asyncio.create_task(watchers.keep_informed(read, seconds=60))
        async with asyncio.timeout(5):
            await looks.acquire()
            there = after
            watchers.look_soon()
            assert await anext(changes) == after
            await looks.acquire()
        watchers.look_soon()
        for _ in range(10):
            await asyncio.sleep(0)
        assert looks.locked(), "a third look in the same tick"
        informing.cancel()
