"""What a call to the catalog may fail with, beside what any call may."""

from chassis.errors import Failure, Kind


class VideoNotFound(
    Failure, kind=Kind.NOT_FOUND, code="VIDEO_NOT_FOUND", next_action="Check the id; list your videos to find it."
):
    """There is no such video, or it is not yours to see."""


class UploadNotAllowed(
    Failure,
    kind=Kind.CONFLICT,
    code="UPLOAD_NOT_ALLOWED",
    next_action="Upload as a new video. Where another upload of this one is under way, abort it and wait for DRAFT.",
):
    """A video takes an upload only in DRAFT, REJECTED_TOO_LONG, REJECTED_FORMAT or PROCESSING_FAILED."""


class VideoNotReady(
    Failure,
    kind=Kind.CONFLICT,
    code="VIDEO_NOT_READY",
    next_action="Read the status: publish when it is READY, or with when_ready while it is on its way there.",
):
    """A video can be published only when it is READY."""


class VideoDeleted(
    VideoNotReady,
    kind=Kind.CONFLICT,
    code=VideoNotReady.code,
    next_action="Upload the clip as a new video; what is deleted stays so.",
):
    """A deleted video can't be published."""


class AlreadyPublished(
    Failure,
    kind=Kind.CONFLICT,
    code="ALREADY_PUBLISHED",
    next_action="Change the visibility with PATCH /v1/videos/{video_id}; publish changes it no more.",
):
    """A published video is not published again with another visibility."""


class AssetsMissing(
    Failure,
    kind=Kind.CONFLICT,
    code="ASSETS_MISSING",
    next_action="Delete the video and upload the clip again; report the video id.",
):
    """A video can be published only with its MP4_720 and its THUMB."""


class RetryNotAllowed(
    Failure,
    kind=Kind.CONFLICT,
    code="RETRY_NOT_ALLOWED",
    next_action="Read the status: it tells which actions are allowed now.",
):
    """A video can be retried only in PROCESSING_FAILED and while its original is kept."""
