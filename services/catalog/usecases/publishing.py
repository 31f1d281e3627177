"""Showing a video to others."""

from datetime import datetime
from uuid import UUID

from services.catalog.domain import commands
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.video import Video
from services.catalog.ports import Tx
from services.catalog.usecases.settling import settle


async def publish_video(tx: Tx, video_id: UUID, user_id: UUID, asked: commands.Publication, now: datetime) -> Video:
    """Publish an own video now, or note that it be published when it is READY; a repeat changes nothing.

    Raises VideoNotFound, VideoNotReady, AssetsMissing, AlreadyPublished.
    """
    video = await tx.store.videos.lock_own(video_id, user_id)
    if video is None:
        raise VideoNotFound
    kinds = frozenset(asset.kind for asset in await tx.store.videos.assets(video_id))
    outcome = commands.publish(video, asked, kinds, now)
    return await settle(tx, outcome) if outcome else video
