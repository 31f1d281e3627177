"""Fan-outs in PostgreSQL."""

from collections.abc import Collection, Sequence
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from chassis.tracing import carried
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Publication

QUERIES = queries.load("services.notify.queries", "fanouts.sql")

FANOUTS = Leases("fanouts", claimable="status = 'PENDING'", order_by="next_at", key="video_id")


class Fanouts:
    """Implements `ports.fanouts.FanoutStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def is_deleted(self, video_id: UUID) -> bool:
        is_deleted: bool = await self._connection.fetchval(QUERIES["is_deleted"], video_id)
        return is_deleted

    async def delete(self, video_id: UUID) -> None:
        await self._count("delete_video", video_id)

    async def start(self, publication: Publication) -> bool:
        values = publication.video_id, publication.author_id, publication.video_title, carried()
        return await self._count("start_fanout", *values) > 0

    async def cancel(self, video_id: UUID) -> bool:
        return await self._count("cancel_fanout", video_id) > 0

    async def wait_for_pages(self, author_ids: Collection[UUID]) -> None:
        await self._connection.execute(QUERIES["wait_for_pages"], list(author_ids))

    async def leave_out(self, author_id: UUID, user_id: UUID) -> None:
        await self._count("leave_out", author_id, user_id)

    async def left_out(self, fanout: Fanout) -> Collection[UUID]:
        left_out: list[UUID] = await self._connection.fetchval(QUERIES["find_left_out"], fanout.publication.video_id)
        return left_out

    async def claim(self, owner: str, seconds: float, limit: int) -> Sequence[Fanout]:
        return [_fanout(row) for row in await FANOUTS.claim(self._connection, owner, seconds, limit)]

    async def hold(self, fanout: Fanout) -> bool:
        return await FANOUTS.held(self._connection, fanout.publication.video_id, fanout.fence)

    async def advance(self, fanout: Fanout, next_page_token: str) -> None:
        await self._count("advance_fanout", fanout.publication.video_id, next_page_token)

    async def postpone(self, fanout: Fanout, seconds: float) -> None:
        await FANOUTS.retry_later(self._connection, fanout.publication.video_id, fanout.fence, seconds)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _fanout(row: asyncpg.Record) -> Fanout:
    return Fanout(
        publication=Publication(row["video_id"], row["author_id"], row["video_title"]),
        page_token=row["page_token"],
        fence=row["fence"],
        attempts=row["attempts"],
        trace=row["trace"],
    )
