"""What the owner does with a video: change, retry, delete."""

from datetime import datetime
from uuid import UUID

from services.catalog.domain import commands
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.video import Video, Visibility
from services.catalog.ports import Tx
from services.catalog.usecases import analytics, events
from services.catalog.usecases.settling import settle


async def update_video(tx: Tx, video_id: UUID, user_id: UUID, change: commands.Change, now: datetime) -> Video:
    """Change what is said about an own video; a published one that is public no more, or now, is told as that.

    Raises VideoNotFound.
    """
    video = await _lock_own(tx, video_id, user_id)
    outcome = commands.update(video, change, now)
    if outcome is None:
        return video
    changed = await settle(tx, outcome)
    was_public, is_public = (each.visibility is Visibility.PUBLIC for each in (video, changed))
    if changed.published_at and was_public and not is_public:
        tx.emit(events.video_hidden(changed))
        tx.emit(analytics.hide_completed(changed, changed.published_at, now))
    if changed.published_at and is_public and not was_public:
        tx.emit(events.video_published(changed, changed.published_at))
        tx.emit(analytics.show_completed(changed, now))
    return changed


async def retry_video(tx: Tx, video_id: UUID, user_id: UUID) -> Video:
    """Have an own failed video transcoded again, as its next generation. Raises VideoNotFound, RetryNotAllowed.

    PostgreSQL's clock decides whether the original is still kept, as it does for upload, which keeps it.
    """
    video = await _lock_own(tx, video_id, user_id)
    outcome = commands.retry(video, await tx.store.videos.now())
    retried = await settle(tx, outcome)
    tx.emit(analytics.retry_requested(retried))
    if retried.original:
        tx.emit(events.retry_requested(retried, retried.original))
    return retried


async def delete_video(tx: Tx, video_id: UUID, user_id: UUID, now: datetime) -> None:
    """Delete an own video for ever; a repeat changes nothing. Raises VideoNotFound."""
    outcome = commands.delete(await _lock_own(tx, video_id, user_id), now)
    if outcome:
        await settle(tx, outcome)


async def _lock_own(tx: Tx, video_id: UUID, user_id: UUID) -> Video:
    video = await tx.store.videos.lock_own(video_id, user_id)
    if video is None:
        raise VideoNotFound
    return video
