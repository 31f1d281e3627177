"""The catalog's own events, made from what the domain decided."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from nextplay.catalog.v1 import video_pb2
from nextplay.catalog.v1.catalog_events_pb2 import (
    VideoDeleted,
    VideoHidden,
    VideoPublished,
    VideoRetryRequested,
    VideoStatusChanged,
)
from services.catalog.domain.states import Transition
from services.catalog.domain.video import Original, Reason, Status, Video, Visibility, next_action


def timestamp(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def status_message(status: Status) -> video_pb2.Video.Status.ValueType:
    return video_pb2.Video.Status.Value(status.value)


def visibility_message(visibility: Visibility) -> video_pb2.Video.Visibility.ValueType:
    return video_pb2.Video.Visibility.Value(visibility.value)


def reason_message(video: Video, reason: Reason, now: datetime) -> video_pb2.Reason:
    return video_pb2.Reason(
        code=reason.code,
        message=reason.message,
        stage=reason.stage,
        next_action=next_action(video, reason, now),
    )


def status_changed(video: Video, transition: Transition) -> VideoStatusChanged:
    """One transition of the video, of which it is in the latest."""
    return VideoStatusChanged(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        from_status=status_message(transition.from_status)
        if transition.from_status
        else video_pb2.Video.STATUS_UNSPECIFIED,
        to_status=status_message(transition.to_status),
        sequence=transition.sequence,
        generation=video.generation,
        reason=reason_message(video, transition.reason, video.changed_at) if transition.reason else None,
        title=video.title,
        changed_at=timestamp(video.changed_at),
    )


def video_published(video: Video, published_at: datetime) -> VideoPublished:
    return VideoPublished(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        visibility=visibility_message(video.visibility),
        notify_followers=video.notify_followers,
        title=video.title,
        category=video.category,
        published_at=timestamp(published_at),
        sequence=video.sequence,
        generation=video.generation,
    )


def video_hidden(video: Video) -> VideoHidden:
    return VideoHidden(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        visibility=visibility_message(video.visibility),
        sequence=video.sequence,
        generation=video.generation,
        title=video.title,
    )


def video_deleted(video: Video) -> VideoDeleted:
    return VideoDeleted(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        generation=video.generation,
        sequence=video.sequence,
        title=video.title,
    )


def retry_requested(video: Video, original: Original) -> VideoRetryRequested:
    """Asks media for a job of the video's present generation."""
    return VideoRetryRequested(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        generation=video.generation,
        upload_id=str(original.upload_id),
        input_s3_key=original.s3_key,
        tier=original.tier,
        size_bytes=original.size_bytes,
    )
