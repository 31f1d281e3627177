"""Lists and answers that change nothing. The primary answers: a client lists again right after it has written."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chassis import queries
from chassis.paging import Position
from chassis.postgres import Pool, acquire
from services.upload.domain.upload import Upload
from services.upload.repository import upload_of

QUERIES = queries.load("services.upload")


async def list_unfinished(
    pool: Pool, user_id: UUID, fingerprint: str | None, after: Position, limit: int
) -> Sequence[Upload]:
    """Up to `limit` of the user's unfinished uploads after that position, newest first; of one file or of all."""
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["list_unfinished"], user_id, fingerprint, after.time, after.id, limit)
    return [upload_of(row) for row in rows]


async def find_generation(pool: Pool, video_id: UUID, generation: int) -> Upload | None:
    """The upload that made, makes or would have made this generation of the video."""
    async with acquire(pool) as connection:
        row = await connection.fetchrow(QUERIES["find_generation"], video_id, generation)
    return upload_of(row) if row is not None else None


async def count_findings(pool: Pool) -> Mapping[str, int]:
    """How many findings of the reconciler are open, by kind."""
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["count_findings"])
    return {row["kind"]: row["count"] for row in rows}
