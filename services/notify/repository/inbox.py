"""What users have read, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.postgres import Connection

QUERIES = queries.load("services.notify.queries", "inbox.sql")


class Inbox:
    """Implements `ports.inbox.InboxStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID]) -> int:
        return await self._count("mark_read", user_id, notification_ids)

    async def mark_read_until(self, user_id: UUID, until: datetime, limit: int) -> int:
        return await self._count("mark_read_until", user_id, until, limit)

    async def unread_count(self, user_id: UUID) -> int:
        count: int = await self._connection.fetchval(QUERIES["count_unread"], user_id)
        return count

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])
