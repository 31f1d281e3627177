"""Who follows whom, in pages. The primary answers: a user looks right after following."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.paging import Position
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.catalog.queries", "follows.sql")


@dataclass(frozen=True, slots=True)
class Follow:
    """The user at the other end of a follow, and since when."""

    user_id: UUID
    followed_at: datetime


async def list_followers(pool: Pool, user_id: UUID, after: Position, limit: int) -> Sequence[Follow]:
    """Who follows the user, latest first."""
    return await _list(pool, "list_followers", user_id, after, limit)


async def list_following(pool: Pool, user_id: UUID, after: Position, limit: int) -> Sequence[Follow]:
    """Whom the user follows, latest first."""
    return await _list(pool, "list_following", user_id, after, limit)


async def _list(pool: Pool, query: str, user_id: UUID, after: Position, limit: int) -> Sequence[Follow]:
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES[query], user_id, after.time, after.id, limit)
    return [Follow(**dict(row)) for row in rows]
