"""An upload: what it is, where it stands, and how it moves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

from services.upload.domain.announcement import CONTENT_TYPES
from services.upload.domain.errors import UploadExpired, UploadNotActive

Tier: TypeAlias = Literal["free", "verified", "paid"]
PartList: TypeAlias = tuple[tuple[int, str], ...]
"""Part numbers, ascending, with their ETags without quotes."""


class Status(StrEnum):
    """Where an upload stands, in the words of the API."""

    INITIATED = "INITIATED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETING = "COMPLETING"
    COMPLETED = "COMPLETED"
    ABORTED = "ABORTED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"


ACTIVE = frozenset({Status.INITIATED, Status.IN_PROGRESS})
"""Takes parts, and may be completed, aborted or expire."""
UNFINISHED = ACTIVE | {Status.COMPLETING}


class FailureCode(StrEnum):
    """Why an upload FAILED."""

    MULTIPART_LOST = "MULTIPART_LOST"
    SIZE_MISMATCH = "SIZE_MISMATCH"


@dataclass(frozen=True)
class Upload:
    """An upload as it was read at `read_at`. All times are PostgreSQL's, aware UTC; sizes are bytes.

    With `part_checksums` every part is signed with its SHA-256, and S3 takes none without. `completing_parts` is what
    S3 was or will be asked to assemble. `catalog_status` is what the catalog answered to UploadCompleted,
    `catalog_sequence` the highest sequence of the video that it has answered, 0 if none.
    """

    upload_id: UUID
    video_id: UUID
    user_id: UUID
    generation: int
    tier: Tier
    filename: str
    content_type: str
    file_size_bytes: int
    fingerprint: str | None
    s3_key: str
    s3_upload_id: str
    status: Status
    created_at: datetime
    expires_at: datetime
    read_at: datetime
    part_checksums: bool = False
    completing_parts: PartList = ()
    completed_at: datetime | None = None
    ended_at: datetime | None = None
    failure_code: FailureCode | None = None
    failure_message: str | None = None
    completed_event_id: UUID | None = None
    catalog_status: str | None = None
    catalog_sequence: int = 0
    original_expires_at: datetime | None = None

    @property
    def prefix(self) -> str:
        """What S3 holds of the upload is below this."""
        return self.s3_key.removesuffix(self.s3_key.rpartition("/")[2])

    def must_be_active(self) -> None:
        """Raises UploadExpired for an expired upload, UploadNotActive for any other that has ended."""
        if self.status is Status.EXPIRED:
            raise UploadExpired(self._expired())
        if self.status is Status.FAILED:
            raise UploadNotActive(f"The upload failed ({self.failure_code}): {self.failure_message}")
        if self.status not in ACTIVE:
            raise UploadNotActive(f"The upload is {self.status}; it takes this only in INITIATED or IN_PROGRESS.")

    def must_take_parts(self) -> None:
        """As `must_be_active`; an upload whose time is over is refused too, though nobody has marked it yet."""
        self.must_be_active()
        if self.expires_at <= self.read_at:
            raise UploadExpired(self._expired())

    def signed(self) -> "Upload":
        """A part was signed."""
        return replace(self, status=Status.IN_PROGRESS)

    def completing(self, parts: PartList) -> "Upload":
        """S3 is about to be asked to assemble the parts."""
        return replace(self, status=Status.COMPLETING, completing_parts=parts)

    def reopened(self) -> "Upload":
        """S3 refused to assemble; the client may send parts again."""
        return replace(self, status=Status.IN_PROGRESS, completing_parts=())

    def completed(self, keep_original: timedelta) -> "Upload":
        """The original is stored whole."""
        return replace(
            self,
            status=Status.COMPLETED,
            completed_at=self.read_at,
            ended_at=self.read_at,
            original_expires_at=self.read_at + keep_original,
        )

    def aborted(self) -> "Upload":
        """Given up by its owner, replaced by a newer upload, or its video was deleted."""
        return replace(self, status=Status.ABORTED, ended_at=self.read_at)

    def failed_by_loss(self) -> "Upload":
        """S3 has neither the parts nor the object."""
        return self._failed(FailureCode.MULTIPART_LOST, "The parts of the upload are not stored any more.")

    def failed_by_size(self, size_bytes: int) -> "Upload":
        """The object has another size than was declared."""
        message = f"The stored file has {size_bytes:,} bytes, declared were {self.file_size_bytes:,} bytes."
        return self._failed(FailureCode.SIZE_MISMATCH, message)

    def _expired(self) -> str:
        minutes = (self.expires_at - self.created_at) // timedelta(minutes=1)
        return f"The upload expired at {self.expires_at:%Y-%m-%dT%H:%M:%SZ}; an upload lives {minutes} minutes."

    def _failed(self, code: FailureCode, message: str) -> "Upload":
        return replace(self, status=Status.FAILED, ended_at=self.read_at, failure_code=code, failure_message=message)


def original_key(user_id: UUID, video_id: UUID, upload_id: UUID, content_type: str) -> str:
    """Where the original is stored. The upload has a place of its own, so a newer one overwrites nothing."""
    return f"{video_prefix(user_id, video_id)}{upload_id}/original.{CONTENT_TYPES[content_type]}"


def video_prefix(user_id: UUID, video_id: UUID) -> str:
    """All originals of a video are below this."""
    return f"uploads/{user_id}/{video_id}/"


def named(numbers: Sequence[int]) -> str:
    """The parts as a sentence says them: "part 2", "parts 1, 3 and 4"."""
    *others, last = [str(number) for number in numbers]
    return f"parts {', '.join(others)} and {last}" if others else f"part {last}"
