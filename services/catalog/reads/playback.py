"""Whether a video can be played. The primary answers, so that playing stops at once when the video is taken back."""

from uuid import UUID

from chassis import queries
from chassis.postgres import Pool, acquire
from services.catalog.domain.playback import Playable
from services.catalog.domain.video import Status, Visibility

QUERIES = queries.load("services.catalog.queries", "playback.sql")


async def find_playable(pool: Pool, video_id: UUID) -> Playable | None:
    """The video's present state and its master playlist; None where there is none."""
    async with acquire(pool) as connection:
        row = await connection.fetchrow(QUERIES["find_playable"], video_id)
    return Playable(Status(row["status"]), Visibility(row["visibility"]), row["master_key"]) if row else None
