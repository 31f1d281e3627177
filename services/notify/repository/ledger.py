"""The ledger in PostgreSQL."""

from collections.abc import Sequence

from chassis import queries
from chassis.clock import NewId, new_id
from chassis.postgres import Connection
from services.notify.domain.notification import Notification

QUERIES = queries.load("services.notify.queries", "ledger.sql")


class Ledger:
    """Implements `ports.ledger.LedgerStore`."""

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

    async def delete_written_before(self, days: int, limit: int) -> int:
        return await self._count("delete_written_before", days, limit)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])
