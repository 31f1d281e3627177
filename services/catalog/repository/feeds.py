"""Feeds in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.leases import Leases
from chassis.paging import START, Position
from chassis.postgres import Connection
from chassis.tracing import carried
from services.catalog.ports.feeds import FeedFanout

QUERIES = queries.load("services.catalog.queries", "feeds.sql")

FANOUTS = Leases("feed_fanouts", claimable="status = 'PENDING'", order_by="next_at", key="video_id")


class Feeds:
    """Implements `ports.feeds.FeedStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fill(self, user_id: UUID, author_id: UUID, limit: int) -> int:
        return await self._count("fill_feed", user_id, author_id, limit)

    async def clear(self, user_id: UUID, author_id: UUID) -> int:
        return await self._count("clear_feed", user_id, author_id)

    async def start_fanout(self, video_id: UUID, author_id: UUID, published_at: datetime) -> None:
        await self._count("start_feed_fanout", video_id, author_id, published_at, START.time, START.id, carried())

    async def restart_fanout(self, video_id: UUID) -> bool:
        return await self._count("restart_feed_fanout", video_id, START.time, START.id, carried()) > 0

    async def claim_fanouts(self, owner: str, seconds: float, limit: int) -> Sequence[FeedFanout]:
        return [
            FeedFanout(
                video_id=row["video_id"],
                author_id=row["author_id"],
                published_at=row["published_at"],
                after=Position(row["after_time"], row["after_id"]),
                fence=row["fence"],
                trace=row["trace"],
            )
            for row in await FANOUTS.claim(self._connection, owner, seconds, limit)
        ]

    async def hold_fanout(self, fanout: FeedFanout) -> bool:
        return await FANOUTS.held(self._connection, fanout.video_id, fanout.fence)

    async def belongs_in_feeds(self, video_id: UUID) -> bool:
        belongs: bool = await self._connection.fetchval(QUERIES["belongs_in_feeds"], video_id)
        return belongs

    async def add_entries(self, fanout: FeedFanout, limit: int) -> Position | None:
        return await self._page("add_entries", fanout, limit)

    async def remove_entries(self, fanout: FeedFanout, limit: int) -> Position | None:
        return await self._page("remove_entries", fanout, limit)

    async def advance_fanout(self, fanout: FeedFanout, after: Position | None) -> None:
        if after is None:
            await self._count("finish_feed_fanout", fanout.video_id)
        else:
            await self._count("advance_feed_fanout", fanout.video_id, after.time, after.id)

    async def _page(self, query: str, fanout: FeedFanout, limit: int) -> Position | None:
        after = fanout.after
        row = await self._connection.fetchrow(
            QUERIES[query], fanout.author_id, after.time, after.id, limit, fanout.published_at, fanout.video_id
        )
        return Position(row["followed_at"], row["follower_id"]) if row else None

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])
