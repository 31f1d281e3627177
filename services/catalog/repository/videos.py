"""Videos in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.postgres import Connection
from services.catalog.domain.outlook import RunProgress
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video, Visibility
from services.catalog.ports.videos import Quiet

QUERIES = queries.load("services.catalog.queries", "videos.sql")


class Videos:
    """Implements `ports.videos.VideoStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, video_id: UUID) -> Video | None:
        row = await self._connection.fetchrow(QUERIES["find_video"], video_id)
        return video_from(row) if row else None

    async def lock(self, video_id: UUID) -> Video | None:
        row = await self._connection.fetchrow(QUERIES["lock_video"], video_id)
        return video_from(row) if row else None

    async def lock_own(self, video_id: UUID, user_id: UUID) -> Video | None:
        row = await self._connection.fetchrow(QUERIES["lock_own_video"], video_id, user_id)
        return video_from(row) if row else None

    async def insert(self, video: Video) -> bool:
        inserted = await self._connection.fetchval(
            QUERIES["insert_video"],
            video.video_id,
            video.user_id,
            video.title,
            video.description,
            video.category,
            video.visibility.value,
            video.status.value,
            video.sequence,
            video.generation,
            video.created_at,
            video.changed_at,
            video.upload_id,
        )
        return inserted is not None

    async def save(self, video: Video) -> None:
        original, measured, reason = video.original, video.measured, video.reason
        await self._connection.execute(
            QUERIES["save_video"],
            video.video_id,
            video.title,
            video.description,
            video.category,
            video.visibility.value,
            video.status.value,
            video.sequence,
            video.generation,
            video.changed_at,
            video.heard_at,
            video.upload_id,
            *((original.s3_key, original.size_bytes, original.tier, original.expires_at) if original else (None,) * 4),
            *((measured.duration_ms, measured.width, measured.height, measured.fps) if measured else (None,) * 4),
            video.run_ms,
            *((reason.code, reason.message, reason.stage) if reason else (None,) * 3),
            video.publish_when_ready,
            video.notify_followers,
            video.uploaded_at,
            video.ready_at,
            video.published_at,
            original.upload_id if original else None,
            video.original_gone,
        )

    async def assets(self, video_id: UUID) -> Sequence[Asset]:
        rows = await self._connection.fetch(QUERIES["find_assets"], video_id)
        return [Asset(**dict(row)) for row in rows]

    async def replace_assets(self, video_id: UUID, assets: Sequence[Asset]) -> None:
        await self._connection.execute(QUERIES["delete_assets"], video_id)
        if assets:
            columns = map(list, zip(*map(_columns, assets), strict=True))
            await self._connection.execute(QUERIES["insert_assets"], video_id, *columns)

    async def note(self, video_id: UUID, entry: Entry) -> None:
        await self._connection.execute(
            QUERIES["insert_timeline_entry"],
            video_id,
            entry.event,
            entry.occurred_at,
            entry.generation,
            entry.status.value if entry.status else None,
            entry.sequence,
            entry.attempt,
            entry.facts,
            entry.trace_id,
            entry.ignored,
        )

    async def find_claim(self, upload_id: UUID) -> int | None:
        generation: int | None = await self._connection.fetchval(QUERIES["find_claim"], upload_id)
        return generation

    async def keep_claim(self, video_id: UUID, upload_id: UUID, generation: int) -> None:
        await self._connection.execute(QUERIES["keep_claim"], upload_id, video_id, generation)

    async def note_progress(self, video_id: UUID, generation: int, progress: RunProgress) -> None:
        await self._connection.execute(
            QUERIES["note_progress"],
            video_id,
            generation,
            progress.percent,
            progress.remaining_seconds,
            progress.observed_at,
        )

    async def find_quiet(
        self, claimed: timedelta, uploading: timedelta, processing: timedelta, limit: int
    ) -> Sequence[Quiet]:
        rows = await self._connection.fetch(QUERIES["find_quiet_videos"], uploading, processing, limit, claimed)
        return [
            Quiet(row["video_id"], row["generation"], Status(row["status"]), row["has_original"], row["heard_at"])
            for row in rows
        ]

    async def ask_later(self, video_id: UUID) -> None:
        await self._connection.execute(QUERIES["ask_later"], video_id)

    async def now(self) -> datetime:
        now: datetime = await self._connection.fetchval(QUERIES["now"])
        return now

    async def find_abandoned(self, age: timedelta, limit: int) -> Sequence[UUID]:
        rows = await self._connection.fetch(QUERIES["find_abandoned_videos"], age, limit)
        return [row["video_id"] for row in rows]


_columns = attrgetter(
    "kind",
    "s3_bucket",
    "s3_key",
    "content_type",
    "size_bytes",
    "width",
    "height",
    "bitrate_bps",
    "duration_ms",
)


def video_from(row: asyncpg.Record) -> Video:
    """The video of a whole row of `videos`."""
    original = measured = reason = None
    if row["input_s3_key"] is not None:
        original = Original(
            s3_key=row["input_s3_key"],
            size_bytes=row["size_bytes"],
            tier=row["tier"],
            expires_at=row["original_expires_at"],
            upload_id=row["original_upload_id"],
        )
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
        original_gone=row["original_gone"],
        measured=measured,
        reason=reason,
        publish_when_ready=row["publish_when_ready"],
        notify_followers=row["notify_followers"],
        uploaded_at=row["uploaded_at"],
        ready_at=row["ready_at"],
        published_at=row["published_at"],
        run_ms=row["run_ms"],
    )
