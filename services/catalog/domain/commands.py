"""What the owner, upload or a job asks of a video: what is allowed when, and what comes of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.catalog.domain.errors import (
    AlreadyPublished,
    AssetsMissing,
    RetryNotAllowed,
    UploadNotAllowed,
    VideoDeleted,
    VideoNotFound,
    VideoNotReady,
)
from services.catalog.domain.states import (
    MAX_DURATION_MS,
    TABLE,
    Cause,
    Outcome,
    Transition,
    is_short_enough,
    missing_assets,
    step,
)
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Status, Video, Visibility


class Action(StrEnum):
    """What an owner may do with a video, in the words of the API."""

    UPLOAD = "upload"
    PUBLISH = "publish"
    PUBLISH_WHEN_READY = "publish_when_ready"
    RETRY = "retry"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True)
class Description:
    """What the owner says about a video."""

    title: str
    description: str
    category: str
    visibility: Visibility


def draft(video_id: UUID, user_id: UUID, upload_id: UUID, told: Description, now: datetime) -> Outcome:
    """A new video, held by its first upload."""
    video = Video(
        video_id=video_id,
        user_id=user_id,
        title=told.title,
        description=told.description,
        category=told.category,
        visibility=told.visibility,
        status=Status.DRAFT,
        sequence=1,
        generation=1,
        created_at=now,
        changed_at=now,
        heard_at=now,
        upload_id=upload_id,
    )
    transitions = (Transition(None, Status.DRAFT, 1),)
    return Outcome(video, _entry(video, Cause.CLAIM, now, transitions), transitions)


def claim(video: Video, upload_id: UUID, told: Description, now: datetime) -> Outcome:
    """Hand the next generation to an upload. What belonged to the one before is forgotten, but for its original: until
    the new one is stored, a retry can go back to it. A rejected original is gone.

    Raises VideoNotFound for a deleted video, UploadNotAllowed naming the status or for a draft of another upload.
    """
    _must_exist(video)
    if video.status not in TABLE[Cause.CLAIM].sources:
        raise UploadNotAllowed(
            f"The video is {video.status}; it takes an upload only in DRAFT, REJECTED_TOO_LONG, REJECTED_FORMAT or "
            "PROCESSING_FAILED."
        )
    if _is_held(video):
        raise UploadNotAllowed("The video is DRAFT and another upload of it has begun, which has not ended.")
    moved, transitions = step(video, Cause.CLAIM, now)
    claimed = replace(
        moved,
        title=told.title,
        description=told.description,
        category=told.category,
        visibility=told.visibility,
        generation=video.generation + 1,
        upload_id=upload_id,
        original=video.kept_original,
        original_gone=False,
        measured=None,
        reason=None,
        publish_when_ready=False,
        uploaded_at=None,
        heard_at=now,
    )
    return Outcome(claimed, _entry(claimed, Cause.CLAIM, now, transitions), transitions)


@dataclass(frozen=True)
class Publication:
    """How a video is to be published; `visibility` None leaves what was said at initiate."""

    visibility: Visibility | None = None
    notify_followers: bool = True
    when_ready: bool = False


def publish(video: Video, asked: Publication, asset_kinds: frozenset[str], now: datetime) -> Outcome | None:
    """Publish a READY video, or with `when_ready` note the wish for one that is on its way; None for a repeat.

    Raises VideoNotReady (naming the status, also DELETED, as its owner reads it) or AssetsMissing, and AlreadyPublished
    where a repeat asks for another visibility: who asks for privacy must not be told that all is well.
    """
    if video.status is Status.PUBLISHED:
        if asked.visibility not in (None, video.visibility):
            raise AlreadyPublished(f"The video is PUBLISHED as {video.visibility}, not as {asked.visibility}.")
        return None
    wished = replace(
        video, visibility=asked.visibility or video.visibility, notify_followers=asked.notify_followers, heard_at=now
    )
    if asked.when_ready and _is_on_its_way(video):
        wished = replace(wished, publish_when_ready=True)
        if wished == replace(video, heard_at=now):
            return None
        return Outcome(wished, _entry(wished, Cause.PUBLISH, now, said=(("when_ready", "true"), _visibility(wished))))
    if video.status is Status.DELETED:
        raise VideoDeleted("The video is DELETED; it can't be published any more.")
    if video.status not in TABLE[Cause.PUBLISH].sources:
        raise VideoNotReady(f"The video is {video.status}; it can be published only when it is READY.")
    if missing := missing_assets(asset_kinds):
        raise AssetsMissing(f"The video has no {' and no '.join(missing)}; it cannot be published without.")
    if not is_short_enough(video):
        duration = f"{video.measured.duration_ms} ms" if video.measured else "not measured"
        raise VideoNotReady(f"The video's duration is {duration}; at most {MAX_DURATION_MS} ms can be published.")
    moved, transitions = step(wished, Cause.PUBLISH, now)
    published = replace(moved, published_at=now, publish_when_ready=False)
    return Outcome(
        published, _entry(published, Cause.PUBLISH, now, transitions, said=(_visibility(published),)), transitions
    )


def retry(video: Video, now: datetime) -> Outcome:
    """Transcode again from the stored original, as the next generation: of a failed video, or of a draft that a failed
    video became for another upload, which came to nothing.

    Raises RetryNotAllowed (naming the status, or why there is no original).
    """
    if video.status not in TABLE[Cause.RETRY].sources or _is_held(video):
        raise RetryNotAllowed(f"The video is {video.status}; only one in PROCESSING_FAILED can be retried.")
    original = video.original
    if video.original_gone:
        raise RetryNotAllowed(f"The video is {video.status} and its original is not stored any more; upload it again.")
    if original is None:
        raise RetryNotAllowed(f"The video is {video.status} and its original is not known; upload it again.")
    if original.expires_at <= now:
        raise RetryNotAllowed(
            f"The video is {video.status} and its original was kept until {original.expires_at:%Y-%m-%d %H:%M}"
            " UTC; upload it again."
        )
    next_one = replace(video, generation=video.generation + 1, upload_id=original.upload_id)
    moved, transitions = step(next_one, Cause.RETRY, now)
    retried = replace(moved, uploaded_at=now, heard_at=now)
    return Outcome(retried, _entry(retried, Cause.RETRY, now, transitions), transitions)


def delete(video: Video, now: datetime) -> Outcome | None:
    """Delete for ever; None where it was deleted before."""
    return _end(video, Cause.DELETE, now)


def archive(video: Video, now: datetime) -> Outcome | None:
    """Delete what was never finished; None where the video has moved on, or is deleted."""
    return _end(video, Cause.ARCHIVE, now)


def _end(video: Video, cause: Cause, now: datetime) -> Outcome | None:
    if video.status not in TABLE[cause].sources:
        return None
    moved, transitions = step(video, cause, now)
    deleted = replace(moved, publish_when_ready=False)
    return Outcome(deleted, _entry(deleted, cause, now, transitions), transitions, assets=())


@dataclass(frozen=True)
class Change:
    """What the owner changes; None stays."""

    title: str | None = None
    description: str | None = None
    category: str | None = None
    visibility: Visibility | None = None


def update(video: Video, change: Change, now: datetime) -> Outcome | None:
    """Change what is said about a video; None where nothing differs. Raises VideoNotFound for a deleted one."""
    _must_exist(video)
    changed = replace(
        video,
        title=video.title if change.title is None else change.title,
        description=video.description if change.description is None else change.description,
        category=video.category if change.category is None else change.category,
        visibility=change.visibility or video.visibility,
    )
    said = tuple(
        (name, str(getattr(changed, name)))
        for name in ("title", "description", "category", "visibility")
        if getattr(changed, name) != getattr(video, name)
    )
    if not said:
        return None
    return Outcome(changed, Entry("UpdateVideo", now, video.generation, facts=said))


def is_final(video: Video) -> bool:
    """Whether the status changes no more without the owner."""
    match video.status:
        case Status.UPLOADING | Status.UPLOADED | Status.PROCESSING:
            return False
        case Status.DRAFT:
            return video.upload_id is None
        case Status.READY:
            return not video.publish_when_ready
        case _:
            return True


def allowed_actions(video: Video, now: datetime) -> list[Action]:
    """What the owner may do at this moment."""
    if video.status is Status.DELETED:
        return []
    kept = video.original is not None and not video.has_no_original_left(now)
    possible = {
        Action.UPLOAD: video.status in TABLE[Cause.CLAIM].sources and not _is_held(video),
        Action.PUBLISH: video.status in TABLE[Cause.PUBLISH].sources,
        Action.PUBLISH_WHEN_READY: _is_on_its_way(video) and not video.publish_when_ready,
        Action.RETRY: video.status in TABLE[Cause.RETRY].sources and kept and not _is_held(video),
        Action.UPDATE: True,
        Action.DELETE: True,
    }
    return [action for action, allowed in possible.items() if allowed]


def _is_on_its_way(video: Video) -> bool:
    """Whether the video can become READY without a new upload or a retry."""
    under_way = video.status in (Status.UPLOADING, Status.UPLOADED, Status.PROCESSING)
    return under_way or _is_held(video)


def _is_held(video: Video) -> bool:
    """Whether a draft belongs to an upload that has not ended."""
    return video.status is Status.DRAFT and video.upload_id is not None


def _must_exist(video: Video) -> None:
    if video.status is Status.DELETED:
        raise VideoNotFound


def _visibility(video: Video) -> tuple[str, str]:
    return ("visibility", video.visibility.value)


def _entry(
    video: Video,
    cause: Cause,
    now: datetime,
    transitions: tuple[Transition, ...] = (),
    said: tuple[tuple[str, str], ...] = (),
) -> Entry:
    last = transitions[-1] if transitions else None
    return Entry(
        event=cause.event,
        occurred_at=now,
        generation=video.generation,
        status=last.to_status if last else None,
        sequence=last.sequence if last else None,
        facts=said,
    )
