"""Videos in PostgreSQL."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.postgres import Connection
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video, Visibility

QUERIES = queries.load("services.catalog.queries", "videos.sql")


class Videos:
    """Implements `ports.videos.VideoStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock(self, video_id: UUID) -> Video | None:
        row = await self._connection.fetchrow(QUERIES["lock_video"], video_id)
        return video_from(row) if row else None

    async def assets(self, video_id: UUID) -> Sequence[Asset]:
        rows = await self._connection.fetch(QUERIES["find_assets"], video_id)
        return [Asset(**dict(row)) for row in rows]


def video_from(row: asyncpg.Record) -> Video:
    """The video of a whole row of `videos`."""
    original = measured = reason = None
    if row["input_s3_key"] is not None:
        original = Original(row["input_s3_key"], row["size_bytes"], row["tier"], row["original_expires_at"])
    if row["duration_ms"] is not None:
        measured = Measured(row["duration_ms"], row["width"], row["height"], row["fps"])
    if row["reason_code"] is not None:
        reason = Reason(row["reason_code"], row["reason_message"], row["reason_stage"])
    return Video(
        video_id=row["video_id"],
        user_id=row["user_id"],
        title=row["title"],
        description=row["description"],
        category=row["category"],
        visibility=Visibility(row["visibility"]),
        status=Status(row["status"]),
        sequence=row["sequence"],
        generation=row["generation"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        heard_at=row["heard_at"],
        upload_id=row["upload_id"],
        original=original,
        measured=measured,
        reason=reason,
        publish_when_ready=row["publish_when_ready"],
        notify_followers=row["notify_followers"],
        uploaded_at=row["uploaded_at"],
        ready_at=row["ready_at"],
        published_at=row["published_at"],
        run_ms=row["run_ms"],
    )
