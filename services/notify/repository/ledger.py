"""The ledger in PostgreSQL."""

from collections.abc import Collection
from uuid import UUID

from chassis import queries
from chassis.clock import NewId, new_id
from chassis.postgres import Connection
from chassis.tracing import carried
from services.notify.domain.notification import Notification

QUERIES = queries.load("services.notify.queries", "ledger.sql")


class Ledger:
    """Implements `ports.ledger.LedgerStore`."""

    def __init__(self, connection: Connection, make_id: NewId = new_id) -> None:
        self._connection = connection
        self._make_id = make_id

    async def write(self, notification: Notification, user_ids: Collection[UUID]) -> int:
        # In the order of their ids, so that two that write to the same inboxes wait for each other and never crosswise.
        users = sorted(set(user_ids))
        reason = notification.reason
        written: int = await self._connection.fetchval(
            QUERIES["write_notifications"],
            [self._make_id() for _ in users],
            users,
            notification.kind,
            notification.subject,
            notification.title,
            notification.body,
            notification.video_id,
            notification.actor_user_id,
            reason.code if reason else None,
            reason.next_action if reason else None,
            notification.priority,
            carried(),
        )
        return written

    async def delete_written_before(self, days: int, limit: int) -> int:
        return await self._count("delete_written_before", days, limit)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])
