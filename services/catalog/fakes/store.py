"""Videos, inbox and outbox in memory: what a transaction of the catalog sees, keeps and waits for, without PostgreSQL.

READ COMMITTED as the use cases know it: one reads what is committed and what one wrote, a row that another transaction
holds is waited for, and what was written is there for all to see at commit or never. `turn` is awaited before and after
every call, so a test can stop, or let another transaction go first, at each of them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from chassis.postgres import Connection
from chassis.transaction import QUERIES
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Asset, Video
from services.catalog.ports import Store, Tx
from services.catalog.ports.feeds import FeedStore
from services.catalog.ports.follows import FollowStore
from services.catalog.ports.videos import VideoStore

Turn = Callable[[str, Callable[[], bool]], Awaitable[None]]
"""Given the name of a call and what must hold before it goes on."""

Row = tuple[str, object]
"""A table and a key in it."""


async def on_an_event_loop(call: str, may_go: Callable[[], bool]) -> None:
    """The turn of a fake that no test steers: others go on while a call has to wait."""
    await asyncio.sleep(0)
    while not may_go():  # noqa: ASYNC110 - woken by whatever ends the other transaction, of which there are few
        await asyncio.sleep(0)


@dataclass
class MemoryCatalog:
    """What is committed, and which open transaction holds which row."""

    turn: Turn = on_an_event_loop
    now: datetime = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    rows: dict[Row, Any] = field(default_factory=dict)
    timeline: list[tuple[UUID, Entry]] = field(default_factory=list)
    outbox: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    """Key, headers and payload of each event, in order."""
    holders: dict[Row, "_Open"] = field(default_factory=dict)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """Implements `ports.Begin`, but for follows and feeds."""
        opened = _Open(self)
        try:
            tx = Tx(cast(Connection, _Connection(opened)), opened.store())
            yield tx
            await tx.write_outbox()
            await self.turn("commit", _at_once)
            self.rows |= opened.rows
            self.timeline += opened.timeline
            self.outbox += opened.outbox
        finally:
            for row in [row for row, holder in self.holders.items() if holder is opened]:
                del self.holders[row]
        await self.turn("committed", _at_once)

    def video(self, video_id: UUID) -> Video | None:
        """The video as it is committed."""
        video: Video | None = self.rows.get(("videos", video_id))
        return video

    def assets(self, video_id: UUID) -> Sequence[Asset]:
        assets: Sequence[Asset] = self.rows.get(("assets", video_id), ())
        return assets


@dataclass(eq=False)
class _Open:
    """A transaction, and what it wrote."""

    catalog: MemoryCatalog
    rows: dict[Row, Any] = field(default_factory=dict)
    timeline: list[tuple[UUID, Entry]] = field(default_factory=list)
    outbox: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def store(self) -> Store:
        videos = MemoryVideos(self)
        return Store(videos=cast(VideoStore, videos), follows=cast(FollowStore, None), feeds=cast(FeedStore, None))

    def read(self, table: str, key: object) -> Any:
        return self.rows.get((table, key), self.catalog.rows.get((table, key)))

    async def hold(self, call: str, row: Row) -> None:
        """Take a row for the rest of the transaction, after whoever has it."""
        holders = self.catalog.holders
        await self.catalog.turn(call, lambda: holders.get(row, self) is self)
        holders[row] = self


class _Connection:
    """The statements on chassis' tables that consumers and `Tx` send."""

    def __init__(self, opened: _Open) -> None:
        self._opened = opened

    async def fetchval(self, query: str, consumer: str, event_id: UUID) -> bool | None:
        if query != QUERIES["insert_inbox"]:
            raise NotImplementedError(query)
        await self._opened.hold("insert_inbox", ("inbox", (consumer, event_id)))
        if self._opened.read("inbox", (consumer, event_id)):
            return None
        self._opened.rows["inbox", (consumer, event_id)] = True
        return True

    async def execute(
        self, query: str, topics: Sequence[str], keys: Sequence[str], headers: Sequence[Any], data: Sequence[bytes]
    ) -> None:
        if query != QUERIES["insert_outbox"]:
            raise NotImplementedError(query)
        await self._opened.catalog.turn("insert_outbox", _at_once)
        self._opened.outbox += zip(keys, headers, data, strict=True)


class MemoryVideos:
    """Implements what use cases of a single video need of `ports.videos.VideoStore`."""

    def __init__(self, opened: _Open) -> None:
        self._opened = opened

    async def find(self, video_id: UUID) -> Video | None:
        await self._turn("find")
        video: Video | None = self._opened.read("videos", video_id)
        return video

    async def lock(self, video_id: UUID) -> Video | None:
        await self._opened.hold("lock", ("videos", video_id))
        video: Video | None = self._opened.read("videos", video_id)
        await self._turn("locked")
        return video

    async def lock_own(self, video_id: UUID, user_id: UUID) -> Video | None:
        video = await self.lock(video_id)
        return video if video and video.user_id == user_id else None

    async def insert(self, video: Video) -> bool:
        await self._opened.hold("insert", ("videos", video.video_id))
        if self._opened.read("videos", video.video_id):
            return False
        await self._write("inserted", "videos", video.video_id, video)
        return True

    async def save(self, video: Video) -> None:
        await self._opened.hold("save", ("videos", video.video_id))
        await self._write("saved", "videos", video.video_id, video)

    async def assets(self, video_id: UUID) -> Sequence[Asset]:
        await self._turn("assets")
        return sorted(self._opened.read("assets", video_id) or (), key=lambda asset: asset.kind)

    async def replace_assets(self, video_id: UUID, assets: Sequence[Asset]) -> None:
        await self._write("replace_assets", "assets", video_id, tuple(assets))

    async def note(self, video_id: UUID, entry: Entry) -> None:
        await self._turn("note")
        self._opened.timeline.append((video_id, entry))

    async def find_claim(self, upload_id: UUID) -> int | None:
        await self._turn("find_claim")
        generation: int | None = self._opened.read("claims", upload_id)
        return generation

    async def keep_claim(self, video_id: UUID, upload_id: UUID, generation: int) -> None:
        await self._write("keep_claim", "claims", upload_id, generation)

    async def now(self) -> datetime:
        await self._turn("now")
        return self._opened.catalog.now

    async def _turn(self, call: str) -> None:
        await self._opened.catalog.turn(call, _at_once)

    async def _write(self, call: str, table: str, key: object, value: object) -> None:
        self._opened.rows[table, key] = value
        await self._turn(call)


def _at_once() -> bool:
    return True
