"""The tables of notify in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.clock import NewId, new_id
from chassis.leases import Leases
from chassis.postgres import Connection
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Notification, Publication

QUERIES = queries.load("services.notify")

FANOUTS = Leases("fanouts", claimable="status = 'PENDING'", order_by="next_at", key="video_id")


class Repository:
    """Implements `ports.Store` on one connection."""

    def __init__(self, connection: Connection, make_id: NewId = new_id) -> None:
        self._connection = connection
        self._make_id = make_id

    async def write(self, notifications: Sequence[Notification]) -> int:
        rows = [
            (
                self._make_id(),
                notification.user_id,
                notification.kind,
                notification.subject,
                notification.title,
                notification.body,
                notification.video_id,
                notification.actor_user_id,
                notification.reason.code if notification.reason else None,
                notification.reason.next_action if notification.reason else None,
            )
            for notification in notifications
        ]
        return await self._count("write_notifications", *zip(*rows, strict=True)) if rows else 0

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID]) -> int:
        return await self._count("mark_read", user_id, notification_ids)

    async def mark_read_until(self, user_id: UUID, until: datetime) -> int:
        return await self._count("mark_read_until", user_id, until)

    async def unread_count(self, user_id: UUID) -> int:
        count: int = await self._connection.fetchval(QUERIES["count_unread"], user_id)
        return count

    async def delete_written_before(self, days: int, limit: int) -> int:
        return await self._count("delete_written_before", days, limit)

    async def is_deleted(self, video_id: UUID) -> bool:
        is_deleted: bool = await self._connection.fetchval(QUERIES["is_deleted"], video_id)
        return is_deleted

    async def delete(self, video_id: UUID) -> None:
        await self._count("delete_video", video_id)

    async def start_fanout(self, publication: Publication) -> bool:
        values = publication.video_id, publication.author_id, publication.video_title
        return await self._count("start_fanout", *values) > 0

    async def cancel_fanout(self, video_id: UUID) -> bool:
        return await self._count("cancel_fanout", video_id) > 0

    async def claim_fanouts(self, owner: str, seconds: float, limit: int) -> Sequence[Fanout]:
        return [_fanout(row) for row in await FANOUTS.claim(self._connection, owner, seconds, limit)]

    async def hold_fanout(self, fanout: Fanout) -> bool:
        return await FANOUTS.held(self._connection, fanout.publication.video_id, fanout.fence)

    async def advance_fanout(self, fanout: Fanout, next_page_token: str) -> None:
        await self._count("advance_fanout", fanout.publication.video_id, next_page_token)

    async def postpone_fanout(self, fanout: Fanout, seconds: float) -> None:
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
    )
