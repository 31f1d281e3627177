"""Rows of the catalog that tests begin with."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from chassis.postgres import Pool

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def insert_video(
    pool: Pool,
    author_id: UUID,
    *,
    minutes: int = 0,
    status: str = "PUBLISHED",
    visibility: str = "public",
    category: str = "sports",
    with_assets: bool = True,
) -> UUID:
    """A video that was created and, where it is PUBLISHED, published so many minutes after noon."""
    video_id = uuid4()
    time = NOON + timedelta(minutes=minutes)
    await pool.execute(
        """
        INSERT INTO videos (video_id, user_id, title, description, category, visibility, status, sequence, generation,
                            created_at, changed_at, heard_at, published_at)
        VALUES ($1, $2, 'title', '', $3, $4, $5, 1, 1, $6, $6, $6, $7)
        """,
        video_id,
        author_id,
        category,
        visibility,
        status,
        time,
        time if status == "PUBLISHED" else None,
    )
    if with_assets:
        for kind, name in [("THUMB", "thumbnail.jpg"), ("PREVIEW", "preview.mp4"), ("HLS", "hls/master.m3u8")]:
            await insert_asset(pool, video_id, kind, f"videos/{author_id}/{video_id}/run/{name}")
    return video_id


async def insert_asset(pool: Pool, video_id: UUID, kind: str, s3_key: str) -> None:
    await pool.execute(
        """
        INSERT INTO video_assets (video_id, kind, url, s3_bucket, s3_key, content_type, size_bytes, width, height,
                                  bitrate_bps, duration_ms)
        VALUES ($1, $2, '', 'nextplay', $3, '', 1, 1, 1, 0, 0)
        """,
        video_id,
        kind,
        s3_key,
    )


async def change_video(pool: Pool, video_id: UUID, *, status: str = "PUBLISHED", visibility: str = "public") -> None:
    """What PATCH and DELETE do to the row."""
    await pool.execute(
        "UPDATE videos SET status = $2, visibility = $3 WHERE video_id = $1", video_id, status, visibility
    )
