"""Lists of videos, in pages.

All come from the primary: what somebody deletes, hides or no longer follows is gone from the next page, which a replica
that is a little behind would still show.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.paging import Position
from chassis.postgres import Database, acquire
from services.catalog.domain.video import Status, Visibility

QUERIES = queries.load("services.catalog.queries", "lists.sql")


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A video as lists show it. `asset_keys` are S3 keys by kind (THUMB, PREVIEW, HLS), empty before READY."""

    video_id: UUID
    user_id: UUID
    title: str
    category: str
    visibility: Visibility
    status: Status
    duration_ms: int | None
    created_at: datetime
    published_at: datetime | None
    asset_keys: Mapping[str, str]


async def list_feed(database: Database, user_id: UUID, after: Position, limit: int) -> Sequence[ListedVideo]:
    """Published public videos of the users that the user follows, last published first."""
    return await _list(database, "list_feed", user_id, after.time, after.id, limit)


async def discover(database: Database, category: str | None, after: Position, limit: int) -> Sequence[ListedVideo]:
    """Published public videos of everybody, last published first."""
    if category is None:
        return await _list(database, "discover", after.time, after.id, limit)
    return await _list(database, "discover_category", after.time, after.id, limit, category)


async def list_of_author(database: Database, author_id: UUID, after: Position, limit: int) -> Sequence[ListedVideo]:
    """Published public videos of a user, last published first."""
    return await _list(database, "list_of_author", author_id, after.time, after.id, limit)


async def list_own(
    database: Database, user_id: UUID, status: Status | None, category: str | None, after: Position, limit: int
) -> Sequence[ListedVideo]:
    """The user's videos in any state but DELETED, last created first."""
    return await _list(database, "list_own", user_id, after.time, after.id, limit, status, category)


async def _list(database: Database, query: str, *values: object) -> Sequence[ListedVideo]:
    async with acquire(database.primary) as connection:
        return [_listed(row) for row in await connection.fetch(QUERIES[query], *values)]


def _listed(row: asyncpg.Record) -> ListedVideo:
    fields = dict(row)
    fields["visibility"] = Visibility(row["visibility"])
    fields["status"] = Status(row["status"])
    fields["asset_keys"] = row["asset_keys"] or {}
    return ListedVideo(**fields)
