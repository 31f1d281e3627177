"""A video: what it is and where it stands. How it moves is in `states`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

Tier = Literal["free", "verified", "paid"]


class Status(StrEnum):
    """Where a video stands, in the words of the API."""

    DRAFT = "DRAFT"
    UPLOADING = "UPLOADING"
    UPLOADED = "UPLOADED"
    PROCESSING = "PROCESSING"
    READY = "READY"
    PUBLISHED = "PUBLISHED"
    PROCESSING_FAILED = "PROCESSING_FAILED"
    REJECTED_TOO_LONG = "REJECTED_TOO_LONG"
    REJECTED_FORMAT = "REJECTED_FORMAT"
    DELETED = "DELETED"


class Visibility(StrEnum):
    """Who may see a published video: everybody, everybody with the link, or the owner alone."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    PRIVATE = "private"


@dataclass(frozen=True)
class Reason:
    """Why a video was rejected, failed or fell back to DRAFT; `message` is a sentence for the owner."""

    code: str
    message: str
    stage: Literal["upload", "probe", "transcode"]


NEXT_ACTIONS = {
    "UPLOAD_ABORTED": "Upload the clip again.",
    "UPLOAD_EXPIRED": "Upload the clip again and complete it within 60 minutes.",
    "UPLOAD_NOT_STARTED": "Upload the clip again.",
    "MULTIPART_LOST": "Upload the clip again.",
    "SIZE_MISMATCH": "Upload the whole clip again.",
    "DURATION_TOO_LONG": "Trim the clip to 30 seconds and upload it again.",
    "CODEC_UNSUPPORTED": "Convert the clip to H.264 or H.265 and upload it again.",
    "NOT_A_VIDEO": "Choose a video file and upload it.",
    "CORRUPT": "Export the clip again and upload the new file.",
    "NO_VIDEO_TRACK": "Choose a file with a picture and upload it.",
    "TOO_LARGE_FRAME": "Scale the clip down and upload it again.",
    "TRANSCODE_TIMEOUT": "Export the clip with simpler settings and upload it.",
    "TRANSCODER_ERROR": "Export the clip again and upload it.",
    "TRANSCODE_STOPPED": "Upload another clip.",
}
RETRY_FIRST = {
    "TRANSCODE_TIMEOUT": "Retry; if it fails again, export the clip with simpler settings and upload it.",
    "TRANSCODER_ERROR": "Retry; if it fails again, export the clip again and upload it.",
    "STORAGE_ERROR": "Retry in a few minutes; if it fails again, upload the clip again.",
}
"""What is advised instead while the original may still be there."""


@dataclass(frozen=True)
class Original:
    """The stored file of a completed upload, kept at least until `expires_at`. A claim leaves it in place until the new
    upload is stored."""

    s3_key: str
    size_bytes: int
    tier: Tier
    expires_at: datetime
    upload_id: UUID


@dataclass(frozen=True)
class Measured:
    """What media measured in the original; pixels as shown."""

    duration_ms: int
    width: int
    height: int
    fps: float


@dataclass(frozen=True)
class Asset:
    """One output: kind is MP4_720, MP4_480, MP4_240, HLS, THUMB or PREVIEW.

    Sizes in bytes (of all objects together for HLS), pixels, bits per second and milliseconds; bit rate and duration
    are 0 for pictures.
    """

    kind: str
    s3_bucket: str
    s3_key: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    bitrate_bps: int
    duration_ms: int


@dataclass(frozen=True)
class Video:
    """A video in any state. Times are aware UTC.

    `sequence` counts the changes of status from 1 without gaps; `generation` counts uploads and retries from 1.
    `upload_id` holds the present generation; None after an upload that ended without an original.
    `reason` belongs to the present status. `heard_at` is when something was last told about it. `original_gone` is
    remembered apart from the original, of which upload may tell later than media that it found none.
    """

    video_id: UUID
    user_id: UUID
    title: str
    description: str
    category: str
    visibility: Visibility
    status: Status
    sequence: int
    generation: int
    created_at: datetime
    changed_at: datetime
    heard_at: datetime
    upload_id: UUID | None
    original: Original | None = None
    original_gone: bool = False
    measured: Measured | None = None
    reason: Reason | None = None
    publish_when_ready: bool = False
    notify_followers: bool = True
    uploaded_at: datetime | None = None
    ready_at: datetime | None = None
    published_at: datetime | None = None
    run_ms: int | None = None

    @property
    def kept_original(self) -> Original | None:
        """The stored original, unless it was found gone; that of a rejected or deleted video has gone with it."""
        went_with_it = self.status in (Status.REJECTED_TOO_LONG, Status.REJECTED_FORMAT, Status.DELETED)
        return None if went_with_it or self.original_gone else self.original

    def has_no_original_left(self, now: datetime) -> bool:
        """Whether the original is known to be lost, or its time to be over."""
        return self.original_gone or (self.original is not None and self.original.expires_at <= now)


def next_action(video: Video, reason: Reason, now: datetime) -> str:
    """What the owner can do about it, as a sentence; a code that a newer media may bring has a general one."""
    if reason.code in RETRY_FIRST and not video.has_no_original_left(now):
        return RETRY_FIRST[reason.code]
    return NEXT_ACTIONS.get(reason.code, "Upload the clip again.")


def is_open(status: Status, visibility: Visibility) -> bool:
    """Whether others than the owner may see and play the video, if they have the link."""
    return status is Status.PUBLISHED and visibility is not Visibility.PRIVATE
