"""What whoever analyses the product's use learns of videos and follows: each step once, in the transaction of the step.

Ids, words of the API and times; nothing that the user wrote.
"""

from datetime import datetime, timedelta
from uuid import UUID

from google.protobuf.message import Message

from nextplay.analytics.v1.analytics_events_pb2 import (
    DeleteCompleted,
    FollowEnded,
    FollowStarted,
    HideCompleted,
    ProcessingCompleted,
    ProcessingQueued,
    ProcessingStarted,
    PublishCompleted,
    RetryRequested,
    ShowCompleted,
)
from services.catalog.domain.states import Cause, Transition
from services.catalog.domain.video import Status, Video
from services.catalog.usecases.events import timestamp

MILLISECOND = timedelta(milliseconds=1)


def step_of(video: Video, transition: Transition, cause: str) -> Message | None:
    """What a transition of the video is to an analyst; `cause` is what the timeline calls its cause. None for those on
    the way of an upload, which upload tells."""
    match transition.to_status:
        case Status.DRAFT | Status.UPLOADING:
            return None
        case Status.UPLOADED:
            return _processing_queued(video)
        case Status.PROCESSING:
            return _processing_started(video)
        case Status.READY | Status.REJECTED_TOO_LONG | Status.REJECTED_FORMAT | Status.PROCESSING_FAILED:
            return _processing_completed(video, transition)
        case Status.PUBLISHED:
            return _publish_completed(video)
        case Status.DELETED:
            return _delete_completed(video, transition, archived=cause == Cause.ARCHIVE.event)


def retry_requested(video: Video) -> RetryRequested:
    return RetryRequested(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        generation=video.generation,
        requested_at=timestamp(video.changed_at),
    )


def hide_completed(video: Video, published_at: datetime, now: datetime) -> HideCompleted:
    return HideCompleted(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        visibility=video.visibility.value,
        published_ms=_between(published_at, now),
        hidden_at=timestamp(now),
    )


def show_completed(video: Video, now: datetime) -> ShowCompleted:
    return ShowCompleted(user_id=str(video.user_id), video_id=str(video.video_id), shown_at=timestamp(now))


def follow_started(follower_id: UUID, followed_id: UUID, now: datetime) -> FollowStarted:
    return FollowStarted(user_id=str(follower_id), followed_user_id=str(followed_id), followed_at=timestamp(now))


def follow_ended(follower_id: UUID, followed_id: UUID, now: datetime) -> FollowEnded:
    return FollowEnded(user_id=str(follower_id), followed_user_id=str(followed_id), ended_at=timestamp(now))


def _processing_queued(video: Video) -> ProcessingQueued:
    return ProcessingQueued(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        generation=video.generation,
        queued_at=timestamp(video.uploaded_at or video.changed_at),
    )


def _processing_started(video: Video) -> ProcessingStarted:
    return ProcessingStarted(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        generation=video.generation,
        queued_ms=_between(video.uploaded_at or video.changed_at, video.changed_at),
        started_at=timestamp(video.changed_at),
    )


def _processing_completed(video: Video, ended: Transition) -> ProcessingCompleted:
    return ProcessingCompleted(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        generation=video.generation,
        outcome=ended.to_status.value,
        reason_code=ended.reason.code if ended.reason else "",
        processing_ms=_between(video.uploaded_at or video.changed_at, video.changed_at),
        duration_ms=video.measured.duration_ms if video.measured else 0,
        completed_at=timestamp(video.changed_at),
    )


def _publish_completed(video: Video) -> PublishCompleted:
    return PublishCompleted(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        visibility=video.visibility.value,
        category=video.category,
        duration_ms=video.measured.duration_ms if video.measured else 0,
        published_at=timestamp(video.published_at or video.changed_at),
    )


def _delete_completed(video: Video, deletion: Transition, *, archived: bool) -> DeleteCompleted:
    return DeleteCompleted(
        user_id=str(video.user_id),
        video_id=str(video.video_id),
        last_status=deletion.from_status.value if deletion.from_status else "",
        age_ms=_between(video.created_at, video.changed_at),
        archived=archived,
        deleted_at=timestamp(video.changed_at),
    )


def _between(earlier: datetime, later: datetime) -> int:
    """Milliseconds; clocks of several machines may disagree, and then it is 0."""
    return max(0, (later - earlier) // MILLISECOND)
