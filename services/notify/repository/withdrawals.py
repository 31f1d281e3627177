"""The cancelling of deliveries in PostgreSQL."""

from collections.abc import Collection, Set
from uuid import UUID

from chassis import queries
from chassis.postgres import Connection
from services.notify.domain.notification import Channel, Kind

QUERIES = queries.load("services.notify.queries", "withdrawals.sql")

CANCELLED_AT_ONCE = 10_000


class Withdrawals:
    """Implements `ports.withdrawals.WithdrawalStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of_video(self, video_id: UUID, kinds: Collection[Kind]) -> int:
        cancelled = 0
        while portion := await self._count("cancel_of_video", video_id, list(kinds), CANCELLED_AT_ONCE):
            cancelled += portion
        return cancelled

    async def of_authors(self, user_id: UUID, author_ids: Collection[UUID]) -> int:
        return await self._count("cancel_of_authors", user_id, list(author_ids))

    async def of_channels(self, user_id: UUID, disabled: Set[tuple[Kind, Channel]]) -> int:
        kinds, channels = [kind for kind, _ in disabled], [channel for _, channel in disabled]
        return await self._count("cancel_of_channels", user_id, kinds, channels)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])
