"""The catalog's tables and the ones in memory keep the same promises; a crash at any call leaves either as it was."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from catalog_videos import Catalog

from chassis.consumer import apply_once
from chassis.errors import Failure
from chassis.transaction import QUERIES
from chassis.transaction import Tx as ChassisTx
from services.catalog.domain import commands
from services.catalog.domain.states import Cause
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video
from services.catalog.fakes.store import MemoryCatalog
from services.catalog.ports import Begin, Store, Tx
from services.catalog.usecases import lifecycle
from services.catalog.usecases.events import video_deleted
from services.catalog.usecases.ingest import CONSUMER, Claimant, claim_video
from services.catalog.usecases.publishing import publish_video
from tests.catalog_history import NOW, OWNER, VIDEO, Generation, Sent, media_tells, upload_id_of, upload_tells
from tests.catalog_life import TOLD, WHEN_READY, Crash, Life, real_handlers

HANDLERS = real_handlers()
INSERT_INBOX = QUERIES["insert_inbox"]


@dataclass(frozen=True)
class Kept:
    """A store: how a transaction begins, and how many events are in its outbox."""

    begin: Begin
    count_told: Callable[[], Awaitable[int]]


@pytest.fixture(params=["memory", "PostgreSQL"])
def kept(request: pytest.FixtureRequest, catalog: Catalog) -> Kept:
    if request.param == "PostgreSQL":
        return Kept(catalog.begin, partial(catalog.pool.fetchval, "SELECT count(*) FROM outbox"))
    memory = MemoryCatalog()

    async def count_told() -> int:
        return len(memory.outbox)

    return Kept(memory.begin, count_told)


def draft() -> Video:
    return commands.draft(uuid4(), uuid4(), uuid4(), TOLD, NOW).video


def asset(kind: str) -> Asset:
    return Asset(kind, "bucket", f"key/{kind}", "video/mp4", 5_000_000_000, 1280, 720, 2_500_000, 15_000)


def undated(video: Video | None) -> Video | None:
    """Without the time at which it was heard of, which is PostgreSQL's."""
    return replace(video, heard_at=NOW) if video else None


async def read(kept: Kept, video_id: UUID) -> Video | None:
    async with kept.begin() as tx:
        return undated(await tx.store.videos.find(video_id))


async def insert(kept: Kept, video: Video) -> None:
    async with kept.begin() as tx:
        assert await tx.store.videos.insert(video)


async def test_a_video_is_read_back_with_every_field(kept: Kept) -> None:
    video = draft()
    await insert(kept, video)
    assert await read(kept, video.video_id) == video
    saved = replace(
        video,
        title="Another",
        status=Status.REJECTED_FORMAT,
        sequence=7,
        generation=3,
        upload_id=None,
        original=Original("key", 157_286_400, "paid", NOW, uuid4()),
        measured=Measured(30_000, 720, 1280, 29.97),
        reason=Reason("CORRUPT", "It is broken.", "probe"),
        publish_when_ready=True,
        notify_followers=False,
        uploaded_at=NOW,
        ready_at=NOW,
        published_at=NOW,
        run_ms=1,
    )
    async with kept.begin() as tx:
        assert undated(await tx.store.videos.lock(video.video_id)) == video
        await tx.store.videos.save(saved)
        assert undated(await tx.store.videos.find(video.video_id)) == saved
    assert await read(kept, video.video_id) == saved


async def test_an_id_is_taken_once_and_a_video_is_its_owners_alone(kept: Kept) -> None:
    video = draft()
    await insert(kept, video)
    async with kept.begin() as tx:
        assert not await tx.store.videos.insert(replace(draft(), video_id=video.video_id))
        assert undated(await tx.store.videos.lock_own(video.video_id, video.user_id)) == video
        assert await tx.store.videos.lock_own(video.video_id, uuid4()) is None
        assert await tx.store.videos.lock(uuid4()) is None
        assert await tx.store.videos.find(uuid4()) is None


async def test_assets_are_replaced_and_come_by_kind(kept: Kept) -> None:
    video = draft()
    await insert(kept, video)
    for kinds in (["THUMB", "HLS"], ["THUMB", "MP4_720", "PREVIEW"], []):
        async with kept.begin() as tx:
            await tx.store.videos.replace_assets(video.video_id, [asset(kind) for kind in kinds])
        async with kept.begin() as tx:
            assert await tx.store.videos.assets(video.video_id) == [asset(kind) for kind in sorted(kinds)]


async def test_a_claim_is_remembered(kept: Kept) -> None:
    video, upload_id = draft(), uuid4()
    await insert(kept, video)
    async with kept.begin() as tx:
        assert await tx.store.videos.find_claim(upload_id) is None
        await tx.store.videos.keep_claim(video.video_id, upload_id, 2)
    async with kept.begin() as tx:
        assert await tx.store.videos.find_claim(upload_id) == 2


async def test_what_is_rolled_back_never_was(kept: Kept) -> None:
    video, new, event_id = draft(), draft(), uuid4()
    await insert(kept, video)

    async def crash() -> None:
        async with kept.begin() as tx:
            await tx.connection.fetchval(INSERT_INBOX, CONSUMER, event_id)
            await tx.store.videos.insert(new)
            await tx.store.videos.lock(video.video_id)
            await tx.store.videos.save(replace(video, title="Another"))
            await tx.store.videos.replace_assets(video.video_id, [asset("HLS")])
            await tx.store.videos.note(video.video_id, Entry("UploadStarted", NOW, 1))
            await tx.store.videos.keep_claim(video.video_id, new.video_id, 2)
            tx.emit(video_deleted(video))
            await tx.write_outbox()
            raise Crash

    with pytest.raises(Crash):
        await crash()
    assert await read(kept, video.video_id) == video
    assert await read(kept, new.video_id) is None
    assert await kept.count_told() == 0
    async with kept.begin() as tx:
        assert await tx.store.videos.assets(video.video_id) == []
        assert await tx.store.videos.find_claim(new.video_id) is None
        assert await tx.connection.fetchval(INSERT_INBOX, CONSUMER, event_id)


async def test_who_locks_a_locked_video_waits_and_sees_what_was_done(kept: Kept) -> None:
    video = draft()
    await insert(kept, video)

    async def count_up() -> None:
        async with kept.begin() as tx:
            locked = await tx.store.videos.lock(video.video_id)
            assert locked
            await asyncio.sleep(0)
            await tx.store.videos.save(replace(locked, sequence=locked.sequence + 1))

    async with asyncio.timeout(30):
        await asyncio.gather(*(count_up() for _ in range(8)))
    counted = await read(kept, video.video_id)
    assert counted
    assert counted.sequence == video.sequence + 8


async def test_of_two_inserts_at_once_the_second_waits_for_the_first(kept: Kept) -> None:
    video, insertions = draft(), list[bool]()

    async def try_insert() -> None:
        async with kept.begin() as tx:
            insertions.append(await tx.store.videos.insert(video))
            await asyncio.sleep(0)

    async with asyncio.timeout(30):
        await asyncio.gather(*(try_insert() for _ in range(4)))
    assert sorted(insertions) == [False, False, False, True]


async def test_an_event_that_comes_several_times_at_once_is_applied_once(kept: Kept) -> None:
    applied: list[UUID] = []
    (event, *_) = upload_tells(Generation(Cause.UPLOAD_EXPIRED, 1, True, False, False), 1)

    async def note(message: object, tx: Tx, meta: Any) -> None:
        await asyncio.sleep(0)
        applied.append(meta.id)

    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(
            *(apply_once(kept.begin, CONSUMER, event.meta, event.event, note) for _ in range(4))
        )
    assert (sorted(outcomes), applied) == ([False, False, False, True], [event.meta.id])


class Crashing:
    """Everything that is called of `whole` goes on unless it is its turn to crash, before or after the call."""

    def __init__(self, whole: object, step: Callable[[], None]) -> None:
        self._whole = whole
        self._step = step

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def call(*arguments: object) -> object:
            self._step()
            result = await getattr(self._whole, name)(*arguments)
            self._step()
            return result

        return call


class Crashes:
    """Crashes at the step that is next of all."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._left = -1

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        async with self._catalog.begin() as whole:
            store = replace(whole.store, videos=cast(Any, Crashing(whole.store.videos, self._step)))
            tx: ChassisTx[Store] = ChassisTx(cast(Any, Crashing(whole.connection, self._step)), store)
            yield tx
            await tx.write_outbox()
            self._step()
        self._step()

    async def at_every_step_of(self, do: Callable[[Begin], Awaitable[object]]) -> None:
        """Do it, dying at the first step, at the second, …, until it lives."""
        begin: Callable[[], AbstractAsyncContextManager[Tx]] = self.begin
        for self._left in count():
            try:
                await do(begin)
            except Crash:
                continue
            except Failure:  # it was done before the crash, and cannot be done twice
                return
            if self._left >= 0:
                return

    def _step(self) -> None:
        if self._left == 0:
            raise Crash
        self._left -= 1


async def test_a_life_with_a_crash_at_every_step_ends_like_the_one_in_memory(catalog: Catalog) -> None:
    plans = [
        Generation(Cause.REJECTED_FORMAT, 1, started=True, retried=False, wished=False),
        Generation(Cause.TRANSCODE_FAILED, 2, started=True, retried=True, wished=True),
        Generation(Cause.TRANSCODE_COMPLETED, 1, started=True, retried=False, wished=False),
    ]
    crashes = Crashes(catalog)
    for number, plan in enumerate(plans, start=1):
        is_retry = number > 1 and plans[number - 2].is_retry_of_a_failure
        await crashes.at_every_step_of(retry if is_retry else partial(claim, number))
        if plan.wished:
            await crashes.at_every_step_of(wish)
        uploads = [] if is_retry else upload_tells(plan, number)
        for sent in [*uploads, *media_tells(plan, number)]:
            await crashes.at_every_step_of(partial(hear, sent))

    ordered = Life(plans, iter([])).live()
    ordered.check()
    async with catalog.begin() as tx:
        found = await tx.store.videos.find(VIDEO)
        assert found
        # The retry was dated by PostgreSQL too.
        assert undated(replace(found, uploaded_at=ordered.video.uploaded_at)) == undated(ordered.video)
        assert tuple(await tx.store.videos.assets(VIDEO)) == ordered.assets
    rows = await catalog.pool.fetch("SELECT headers ->> 'ce_type' AS type FROM outbox ORDER BY id")
    assert [row["type"] for row in rows] == [headers["ce_type"] for _, headers, _ in ordered.catalog.outbox]


async def claim(number: int, begin: Begin) -> None:
    async with begin() as tx:
        await claim_video(tx, Claimant(VIDEO, upload_id_of(number), OWNER, number > 1, TOLD), NOW)


async def retry(begin: Begin) -> None:
    async with begin() as tx:
        await lifecycle.retry_video(tx, VIDEO, OWNER)


async def wish(begin: Begin) -> None:
    async with begin() as tx:
        await publish_video(tx, VIDEO, OWNER, WHEN_READY, NOW)


async def hear(sent: Sent, begin: Begin) -> None:
    await apply_once(begin, CONSUMER, sent.meta, sent.event, HANDLERS[type(sent.event)])
