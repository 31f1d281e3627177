"""What is told about an upload: the same event from the same upload, whenever it is asked for."""

from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.events import EventMeta
from nextplay.upload.v1.upload_events_pb2 import (
    OriginalLost,
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadFailed,
    UploadStarted,
)
from services.upload.domain.upload import UNFINISHED, Status, Upload

SOURCE = "/nextplay/upload"


def started(upload: Upload) -> UploadStarted:
    return UploadStarted(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
        size_bytes=upload.file_size_bytes,
        expires_at=timestamp(upload.expires_at),
    )


def completed(upload: Upload) -> UploadCompleted:
    return UploadCompleted(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
        input_s3_key=upload.s3_key,
        size_bytes=upload.file_size_bytes,
        tier=upload.tier,
        original_expires_at=timestamp(upload.original_expires_at),
        content_type=upload.content_type,
    )


def completed_meta(upload: Upload) -> EventMeta:
    """The meta under which a completed upload's UploadCompleted is known to inboxes."""
    if upload.completed_event_id is None or upload.completed_at is None:
        raise ValueError(f"upload {upload.upload_id} is not completed")
    name = UploadCompleted.DESCRIPTOR.full_name
    return EventMeta(upload.completed_event_id, name, SOURCE, upload.completed_at)


def aborted(upload: Upload) -> UploadAborted:
    return UploadAborted(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
    )


def expired(upload: Upload) -> UploadExpired:
    return UploadExpired(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
    )


def failed(upload: Upload) -> UploadFailed:
    return UploadFailed(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
        code=upload.failure_code or "",
        message=upload.failure_message or "",
    )


def not_started(video_id: UUID, upload_id: UUID, user_id: UUID, generation: int) -> UploadFailed:
    """Of an upload that has claimed its video and was not accepted; there is no upload, so nothing else tells of it."""
    return UploadFailed(
        video_id=str(video_id),
        upload_id=str(upload_id),
        user_id=str(user_id),
        generation=generation,
        code="UPLOAD_NOT_STARTED",
        message="The upload could not be started.",
    )


def original_lost(upload: Upload) -> OriginalLost:
    return OriginalLost(
        video_id=str(upload.video_id),
        upload_id=str(upload.upload_id),
        user_id=str(upload.user_id),
        generation=upload.generation,
        input_s3_key=upload.s3_key,
    )


def latest_fact(upload: Upload) -> tuple[Message, datetime]:
    """The event that tells where the upload stands, and since when."""
    if upload.status in UNFINISHED or upload.ended_at is None:
        return started(upload), upload.created_at
    tell = {
        Status.COMPLETED: completed,
        Status.ABORTED: aborted,
        Status.EXPIRED: expired,
        Status.FAILED: failed,
    }
    return tell[upload.status](upload), upload.ended_at


def timestamp(time: datetime | None) -> Timestamp | None:
    """The time as messages have it."""
    if time is None:
        return None
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
