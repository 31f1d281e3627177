"""What whoever analyses the product's use learns of uploads: each step once, in the transaction of the step.

Ids, sizes and times; nothing that the user wrote, no file's name and no fingerprint.
"""

from datetime import datetime
from typing import TypedDict

from nextplay.analytics.v1.analytics_events_pb2 import (
    FirstPartSigned,
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadFailed,
    UploadInitiated,
)
from services.upload.domain.upload import Upload
from services.upload.usecases.events import timestamp


def initiated(upload: Upload) -> UploadInitiated:
    return UploadInitiated(
        **_ids(upload),
        generation=upload.generation,
        size_bytes=upload.file_size_bytes,
        content_type=upload.content_type,
        initiated_at=timestamp(upload.created_at),
    )


def first_part_signed(upload: Upload) -> FirstPartSigned:
    taken_ms = _since_initiate(upload, upload.read_at)
    return FirstPartSigned(**_ids(upload), duration_ms=taken_ms, signed_at=timestamp(upload.read_at))


def completed(upload: Upload) -> UploadCompleted:
    completed_at = upload.completed_at or upload.read_at
    return UploadCompleted(
        **_whole(upload, completed_at), content_type=upload.content_type, completed_at=timestamp(completed_at)
    )


def aborted(upload: Upload) -> UploadAborted:
    aborted_at = _ended_at(upload)
    return UploadAborted(**_whole(upload, aborted_at), aborted_at=timestamp(aborted_at))


def expired(upload: Upload) -> UploadExpired:
    expired_at = _ended_at(upload)
    return UploadExpired(**_whole(upload, expired_at), expired_at=timestamp(expired_at))


def failed(upload: Upload) -> UploadFailed:
    failed_at = _ended_at(upload)
    return UploadFailed(**_whole(upload, failed_at), code=upload.failure_code or "", failed_at=timestamp(failed_at))


class _Ids(TypedDict):
    user_id: str
    video_id: str
    upload_id: str


class _Whole(_Ids):
    size_bytes: int
    duration_ms: int


def _ids(upload: Upload) -> _Ids:
    """What every step is told with."""
    return _Ids(user_id=str(upload.user_id), video_id=str(upload.video_id), upload_id=str(upload.upload_id))


def _whole(upload: Upload, ended_at: datetime) -> _Whole:
    """What every end is told with."""
    return _Whole(**_ids(upload), size_bytes=upload.file_size_bytes, duration_ms=_since_initiate(upload, ended_at))


def _ended_at(upload: Upload) -> datetime:
    return upload.ended_at or upload.read_at


def _since_initiate(upload: Upload, then: datetime) -> int:
    """Milliseconds; 0 where a transaction that began before the upload was committed ended it."""
    return max(0, int((then - upload.created_at).total_seconds() * 1000))
