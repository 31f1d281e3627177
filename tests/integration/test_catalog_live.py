"""A thousand people who watch at once: what they cost the database, and what they are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from catalog_videos import Catalog, Clip

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.postgres import Connection, Database, Pool
from nextplay.catalog.v1.video_pb2 import Video as Words
from nextplay.catalog.v1.videos_service_pb2 import WatchVideoRequest
from services.catalog.domain.wording import Rules
from services.catalog.ports.playback import SignedUrl
from services.catalog.reads import status
from services.catalog.reads.forecast import Forecast
from services.catalog.reads.watching import Watchers
from services.catalog.servicer.videos import Videos

WATCHERS = 1_000


@dataclass
class Counted:
    """A pool that notes every query which its connections send."""

    pool: Pool
    queries: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def acquire(self, **options: Any) -> AsyncIterator[Connection]:
        async with self.pool.acquire(**options) as connection:
            with connection.query_logger(lambda record: self.queries.append(record.query)):
                yield connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)


async def no_url(video_id: UUID, kind: str, s3_key: str, *, for_owner: bool) -> SignedUrl:
    raise AssertionError("a status has no URLs")


async def test_a_thousand_watchers_cost_one_query_a_tick_and_see_their_video_end(catalog: Catalog) -> None:
    counted = Counted(catalog.pool)
    database = Database(catalog.pool, cast(Pool, counted))
    videos = Videos(
        database,
        status.Statuses(database),
        catalog.begin,
        Watchers(),
        Forecast(),
        no_url,
        Rules(("sports",), len),
        utc_now,
        page_key=b"key",
    )
    clips = [Clip() for _ in range(20)]
    for clip in clips:
        await catalog.claim(clip)
        await catalog.hear(clip.started())

    seen: list[list[str]] = [[] for _ in range(WATCHERS)]

    async def watch(clip: Clip, said: list[str]) -> None:
        with acting_as(User(clip.user_id, "free")):
            async with aclosing(videos.WatchVideo(WatchVideoRequest(video_id=str(clip.video_id)), None)) as changes:
                async for change in changes:
                    said.append(Words.Status.Name(change.status))

    async with asyncio.timeout(120):
        watching = []
        for number, said in enumerate(seen):
            watching.append(asyncio.create_task(watch(clips[number % len(clips)], said)))
            await asyncio.sleep(0)  # one after the other, as from a network: a replica is asked with little patience
        while not all(seen):  # noqa: ASYNC110 - what each of a thousand tasks has seen
            await asyncio.sleep(0.01)
        # Of a thousand first reads at once one may outlast the patience with a replica; here nobody finds it again.
        database.replica = cast(Pool, counted)
        await status.read_statuses(database, videos.watchers.watched)
        counted.queries.clear()
        for _ in range(3):
            videos.watchers.tell(await status.read_statuses(database, videos.watchers.watched))
        assert counted.queries == [status.QUERIES["read_statuses"]] * 3
        for clip in clips:
            await catalog.delete(clip)
        videos.watchers.tell(await status.read_statuses(database, videos.watchers.watched))
        await asyncio.gather(*watching)
    assert seen == [["UPLOADING", "DELETED"]] * WATCHERS
    assert len(counted.queries) == 4
    assert not videos.watchers.watched


async def test_who_comes_back_is_told_what_was_missed_and_nothing_twice(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.publish(clip)
    last = (await catalog.video(clip)).sequence
    videos = Videos(
        catalog.database,
        status.Statuses(catalog.database),
        catalog.begin,
        Watchers(),
        Forecast(),
        no_url,
        Rules(("sports",), len),
        utc_now,
        b"key",
    )

    async def seen_after(sequence: int) -> list[int]:
        request = WatchVideoRequest(video_id=str(clip.video_id), after_sequence=sequence)
        with acting_as(User(clip.user_id, "free")):
            async with aclosing(videos.WatchVideo(request, None)) as changes:
                return [change.sequence async for change in changes]

    async with asyncio.timeout(30):
        assert await seen_after(2) == [last]
        assert await seen_after(last) == []
