"""Follows in PostgreSQL."""

from uuid import UUID

from chassis import queries
from chassis.postgres import Connection

QUERIES = queries.load("services.catalog.queries", "follows.sql")


class Follows:
    """Implements `ports.follows.FollowStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, follower_id: UUID, followed_id: UUID) -> bool:
        return await self._connection.execute(QUERIES["add_follow"], follower_id, followed_id) == "INSERT 0 1"

    async def remove(self, follower_id: UUID, followed_id: UUID) -> bool:
        return await self._connection.execute(QUERIES["remove_follow"], follower_id, followed_id) == "DELETE 1"
