"""Where videos stand, for polls and watchers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.postgres import Connection, Database, acquire
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.outlook import Outlook, RunProgress, Waiting, queue_order
from services.catalog.domain.video import Video
from services.catalog.reads.replica import ask_either, ask_replica
from services.catalog.repository.videos import video_from

QUERIES = queries.load("services.catalog.queries", "status.sql")


@dataclass(frozen=True)
class Standing:
    """A video and what its present run last signalled, if anything."""

    video: Video
    run: RunProgress | None


async def read_own_status(database: Database, video_id: UUID, user_id: UUID, min_sequence: int = 0) -> Standing:
    """Where an own video stands, with at least `min_sequence` where the video has got so far.

    Asks the replica; the primary where the replica is behind, knows no such video (yet) or is left.
    Raises VideoNotFound.
    """

    async def read(connection: Connection) -> Standing | None:
        row = await connection.fetchrow(QUERIES["read_own_status"], video_id, user_id)
        return _standing(row) if row else None

    standing = await ask_replica(database, read)
    if standing is None or standing.video.sequence < min_sequence:
        async with acquire(database.primary) as connection:
            standing = await read(connection)
    if standing is None:
        raise VideoNotFound
    return standing


async def read_statuses(database: Database, video_ids: Collection[UUID]) -> Mapping[UUID, Standing]:
    """Where these videos stand, in one query."""

    async def read(connection: Connection) -> Mapping[UUID, Standing]:
        rows = await connection.fetch(QUERIES["read_statuses"], list(video_ids))
        return {row["video_id"]: _standing(row) for row in rows}

    return await ask_either(database, read)


async def read_outlook(database: Database, jobs_per_minute: float) -> Outlook:
    """Queue and pace as the tables tell them."""

    async def read(connection: Connection) -> Outlook:
        waiting = await connection.fetch(QUERIES["read_queue"])
        running = await connection.fetchval(QUERIES["read_running"])
        pace = await connection.fetchrow(QUERIES["read_pace"])
        return Outlook(
            queue=sorted(queue_order(Waiting(row["tier"], row["uploaded_at"])) for row in waiting),
            running=running,
            ms_per_clip_ms=pace["ms_per_clip_ms"] if pace else None,
            typical_run_ms=pace["typical_run_ms"] if pace else None,
            jobs_per_minute=jobs_per_minute,
        )

    return await ask_either(database, read)


def _standing(row: asyncpg.Record) -> Standing:
    run = None
    if row["percent"] is not None:
        run = RunProgress(row["percent"], row["remaining_seconds"], row["observed_at"])
    return Standing(video_from(row), run)
