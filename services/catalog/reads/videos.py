"""Single videos as their owners and viewers see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import queries
from chassis.postgres import Database, acquire
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.timeline import Entry, causally_ordered
from services.catalog.domain.video import Asset, Status, Video
from services.catalog.repository.videos import Videos, video_from

QUERIES = queries.load("services.catalog.queries", "status.sql")


@dataclass(frozen=True)
class Seen:
    """A video and its outputs."""

    video: Video
    assets: Sequence[Asset]


async def read_video(database: Database, video_id: UUID, user_id: UUID) -> Seen:
    """A video that this user may see, from the primary, so that an owner reads the own write. Raises VideoNotFound."""
    async with acquire(database.primary) as connection:
        row = await connection.fetchrow(QUERIES["read_visible_video"], video_id, user_id)
        if row is None:
            raise VideoNotFound
        return Seen(video_from(row), await Videos(connection).assets(video_id))


async def read_timeline(database: Database, video_id: UUID, user_id: UUID) -> list[Entry]:
    """What happened to an own video, causes before effects. Raises VideoNotFound."""
    async with acquire(database.primary) as connection:
        if not await connection.fetchval(QUERIES["owns_video"], video_id, user_id):
            raise VideoNotFound
        rows = await connection.fetch(QUERIES["read_timeline"], video_id)
    entries = [
        Entry(
            event=row["event"],
            occurred_at=row["occurred_at"],
            generation=row["generation"],
            status=Status(row["status"]) if row["status"] else None,
            sequence=row["sequence"],
            attempt=row["attempt"],
            facts=tuple((name, value) for name, value in row["facts"]),
            trace_id=row["trace_id"],
            ignored=row["ignored"],
        )
        for row in reversed(rows)
    ]
    return causally_ordered(entries)
