"""What a call to upload may fail with, beside what any call may."""

from chassis.errors import Failure, Kind


class UploadNotFound(
    Failure, kind=Kind.NOT_FOUND, code="UPLOAD_NOT_FOUND", next_action="Check the id; list your uploads to find it."
):
    """There is no such upload, or it is not yours."""


class VideoNotFound(
    Failure, kind=Kind.NOT_FOUND, code="VIDEO_NOT_FOUND", next_action="Check the id, or upload as a new video."
):
    """There is no such video, or it is not yours."""


class UploadNotAllowed(
    Failure,
    kind=Kind.CONFLICT,
    code="UPLOAD_NOT_ALLOWED",
    next_action="Read the video; upload again if the other upload does not succeed.",
):
    """The video takes no upload now."""


class UploadNotActive(
    Failure,
    kind=Kind.CONFLICT,
    code="UPLOAD_NOT_ACTIVE",
    next_action="Read the upload to see how it ended; start a new upload if the clip is not stored.",
):
    """The upload does not take this any more."""


class UploadExpired(Failure, kind=Kind.GONE, code="UPLOAD_EXPIRED", next_action="Start a new upload."):
    """The upload was not completed in time."""


class PartsMissing(
    Failure, kind=Kind.CONFLICT, code="PARTS_MISSING", next_action="Send the named parts, then complete again."
):
    """Parts of the file have not arrived."""


class PartMismatch(
    Failure,
    kind=Kind.CONFLICT,
    code="PART_MISMATCH",
    next_action="Read the upload to see what arrived; send the named parts again, then complete again.",
):
    """What arrived is not what was announced."""


class PartTooSmall(
    Failure,
    kind=Kind.CONFLICT,
    code="PART_TOO_SMALL",
    next_action="Send the file again in parts of at least 5,242,880 bytes (5 MiB), but for the last.",
):
    """A part other than the last has less than 5,242,880 bytes (5 MiB)."""


class FileTooLarge(
    Failure, kind=Kind.TOO_LARGE, code="FILE_TOO_LARGE", next_action="Trim or compress the clip and announce it again."
):
    """The file is larger than 157,286,400 bytes (150 MB)."""


class UnsupportedContentType(
    Failure,
    kind=Kind.UNSUPPORTED_TYPE,
    code="UNSUPPORTED_CONTENT_TYPE",
    next_action="Convert the clip to MP4 or QuickTime and announce it again.",
):
    """Only video/mp4 and video/quicktime are accepted."""


class RateLimited(
    Failure, kind=Kind.RATE_LIMITED, code="RATE_LIMITED", next_action="Send the same request again after Retry-After."
):
    """Too many uploads were started."""
