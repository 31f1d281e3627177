"""The inbox as it is shown. The primary answers: a client lists again right after it marked something as read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.paging import Position
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.notify.queries", "inbox.sql")
WATCHING = queries.load("services.notify.queries", "watching.sql")


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A notification as its user sees it; `read_at` is None while it is unread, `video_id` where it is about none."""

    notification_id: UUID
    kind: str
    title: str
    body: str
    video_id: UUID | None
    actor_user_id: UUID
    reason_code: str | None
    next_action: str | None
    created_at: datetime
    read_at: datetime | None


async def list_notifications(
    pool: Pool, user_id: UUID, after: Position, limit: int, *, unread_only: bool
) -> tuple[Sequence[InboxEntry], int, int]:
    """Up to `limit` of the user's notifications after that position, newest first, how many are unread in all, and the
    inbox's latest number: whatever has a number up to it is listed, or lies behind the page."""
    query = QUERIES["list_unread" if unread_only else "list_notifications"]
    async with acquire(pool) as connection:
        latest: int = await connection.fetchval(WATCHING["latest_sequence"], user_id) or 0
        rows = await connection.fetch(query, user_id, after.time, after.id, limit)
        unread_count = await connection.fetchval(QUERIES["count_unread"], user_id)
    return [InboxEntry(**dict(row)) for row in rows], unread_count, latest
