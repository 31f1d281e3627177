"""What the use cases need from outside: the tables of upload, the object store, and the catalog."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from google.protobuf.message import Message

from chassis import transaction
from chassis.events import EventMeta
from chassis.object_store import InvalidPart as InvalidPart
from chassis.object_store import MultipartUpload as MultipartUpload
from chassis.object_store import MultipartUploadNotFound as MultipartUploadNotFound
from chassis.object_store import ObjectNotFound as ObjectNotFound
from chassis.object_store import Part as Part
from chassis.object_store import PartTooSmall as PartTooSmall
from chassis.object_store import PresignedPart as PresignedPart
from chassis.object_store import StoredObject as StoredObject
from services.upload.domain.announcement import Visibility
from services.upload.domain.findings import Finding, Held, Wanted
from services.upload.domain.parts import PartToSign
from services.upload.domain.upload import PartList, Tier, Upload


@dataclass(frozen=True)
class NewUpload:
    """An upload about to be written; PostgreSQL adds its times."""

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
    part_checksums: bool
    lifetime: timedelta


@dataclass(frozen=True)
class Use:
    """Whether a use of a limited action is held; if not, one becomes free in `reset_seconds`. `held_until` tells the
    hold of one try from that of another; None where the use was accepted before."""

    held: bool
    reset_seconds: float
    held_until: datetime | None


PurgeReason: TypeAlias = Literal["aborted", "expired", "failed", "late", "rejected", "outlived", "deleted"]
"""How the upload ended (late: its object appeared after that), what became of its original, or of the whole video."""


@dataclass(frozen=True)
class Purge:
    """A claimed prefix to be emptied; `attempts` counts this one."""

    purge_id: UUID
    prefix: str
    reason: PurgeReason
    fence: int
    attempts: int


Walk: TypeAlias = Literal["multiparts", "objects", "uploads"]
"""What the reconciler reads from one end to the other."""


class Store(Protocol):
    """The tables of upload, read and written inside one transaction."""

    async def hold_use(self, user_id: UUID, upload_id: UUID, limit: int, window: timedelta) -> Use:
        """Hold one use of initiate for an upload, for a minute, if the user has one left; waits for the user's other
        checks. The same upload keeps its use, which another try of it takes over."""

    async def accept_use(self, user_id: UUID, upload_id: UUID, use: Use) -> bool:
        """Count the held use from now on; False when the hold has lapsed, or another try has taken it over."""

    async def was_overtaken(self, user_id: UUID, upload_id: UUID, use: Use) -> bool:
        """Whether another try of the upload has taken the held use over."""

    async def release_use(self, user_id: UUID, upload_id: UUID, use: Use) -> None:
        """Give a held use back; an accepted one stays, and so does one that another try has taken over."""

    async def insert(self, new: NewUpload) -> Upload | None:
        """Write a new upload, INITIATED; None when there is one with this id."""

    async def find(self, upload_id: UUID, user_id: UUID) -> Upload | None:
        """The user's own upload."""

    async def lock(self, upload_id: UUID, user_id: UUID | None = None) -> Upload | None:
        """The upload, of that user where one is given, locked until the transaction ends."""

    async def save(self, upload: Upload) -> None:
        """Write what may change: the status and what goes with it."""

    async def save_answer(self, upload_id: UUID, status: str | None, sequence: int) -> None:
        """Keep the catalog's answer: the first status, the highest sequence."""

    async def signed_lengths(self, upload_id: UUID) -> Mapping[int, int]:
        """The signed parts' lengths in bytes by number."""

    async def signed_checksums(self, upload_id: UUID) -> Mapping[int, str]:
        """The SHA-256, base64, with which each part was signed last, by number; without those signed with none."""

    async def sign_parts(self, upload_id: UUID, parts: Sequence[PartToSign]) -> Mapping[int, int]:
        """Write the parts as signed now; a part that was signed before is replaced. Answers the lengths in bytes, by
        number, of the parts that were signed before this."""

    async def save_received(self, upload_id: UUID, parts: PartList) -> None:
        """Write which parts S3 holds, and that it holds no others."""

    async def lock_video(self, video_id: UUID) -> bool:
        """Whether the video was deleted. Taken before any row: whoever creates work for a video, or deletes it, is
        alone with it until the transaction ends."""

    async def delete_video(self, video_id: UUID) -> None:
        """Write the tombstone, after `lock_video`, and mark the video's originals as deleted."""

    async def lock_active_of_video(self, video_id: UUID) -> Sequence[Upload]:
        """The video's uploads in INITIATED or IN_PROGRESS, locked."""

    async def completing_since(self, seconds: float, limit: int) -> Sequence[Upload]:
        """Uploads that have been COMPLETING for so long, longest first; not locked."""

    async def finish_later(self, upload_id: UUID) -> None:
        """Let other COMPLETING uploads be finished before one that could not be."""

    async def expire_overdue(self, limit: int) -> Sequence[Upload]:
        """Mark active uploads whose time is over EXPIRED, order their purges, and return them."""

    async def delete_ended(self, days: int, limit: int) -> int:
        """Delete uploads without an original that were announced before; how many."""

    async def forget_uses(self, older_than: timedelta) -> int:
        """Delete uses of initiate that no window looks at any more; how many."""

    async def mark_original_deleted(self, upload_id: UUID) -> Upload | None:
        """The completed upload whose original is given up now; None when there is none, or it was before."""

    async def give_up_outlived_originals(self, in_use: timedelta, limit: int) -> Sequence[Upload]:
        """Mark originals as deleted whose time is over and that no transcode reads, and return their uploads.

        An original of which nothing was heard counts as read for `in_use` after its time.
        """

    async def original_wanted(self, upload_id: UUID, generation: int, keep_until: datetime) -> None:
        """A transcode for this generation will read the upload's original."""

    async def original_settled(self, video_id: UUID, generation: int, keep_until: datetime) -> None:
        """The transcode of this generation of the video has ended; its original is kept until then at least."""

    async def order_purge(self, prefix: str, reason: PurgeReason, delay: timedelta = ...) -> None:
        """Have everything below the prefix deleted, after `delay`."""

    async def claim_purges(self, owner: str, seconds: float, limit: int) -> Sequence[Purge]:
        """Lease up to `limit` that are due."""

    async def finish_purge(self, purge: Purge) -> bool:
        """The prefix is empty; False when the lease was lost."""

    async def postpone_purge(self, purge: Purge, seconds: float) -> bool:
        """Give the claim back after a failure, due again in `seconds`; False when the lease was lost."""

    async def wanted(self, upload_ids: Collection[UUID]) -> Mapping[UUID, Wanted]:
        """What those of the uploads that exist still want of S3."""

    async def list_originals(
        self, after: str, until: str | None, prefix: str, min_age: timedelta, limit: int
    ) -> Sequence[str]:
        """Keys of originals that should be there, below `prefix`, ascending by their bytes: above `after`, up to
        `until` (None: to the end); of uploads completed at least `min_age` ago."""

    async def list_active(self, after: UUID, prefix: str, min_age: timedelta, limit: int) -> Sequence[Upload]:
        """Uploads that take parts and were announced at least `min_age` ago, by id above `after`; not locked."""

    async def save_findings(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        """Keep what is wrong, once each, with the time of the first time; those that are new."""

    async def count_due_findings(self, reported_for: timedelta, prefix: str, limit: int) -> int:
        """How many findings below `prefix` were first seen so long ago; `limit` stands for that many or more."""

    async def list_due_findings(
        self, after: UUID, reported_for: timedelta, prefix: str, limit: int
    ) -> Sequence[tuple[UUID, Finding]]:
        """Those findings with their ids, by id above `after`."""

    async def close_finding(self, finding_id: UUID) -> None:
        """Forget a finding; fine if somebody did."""

    async def find_position(self, walk: Walk) -> str:
        """How far the last run came that did not end; empty: from the beginning."""

    async def save_position(self, walk: Walk, position: str | None) -> None:
        """Keep how far this run has come; None when it has come to the end."""

    async def give_up_lost_original(self, upload_id: UUID) -> Upload | None:
        """Mark the original as deleted now; None when there is none, or it was before."""


Tx: TypeAlias = transaction.Tx[Store]
Begin: TypeAlias = transaction.Begin[Store]


class Objects(Protocol):
    """The object store. ETags without quotes, sizes in bytes; every call may raise Unavailable."""

    async def create_multipart(self, key: str, content_type: str, *, part_checksums: bool = False) -> str:
        """Begin a multipart upload; its S3 upload id. With `part_checksums` each part has to come with its SHA-256."""

    async def presign_part(
        self,
        key: str,
        s3_upload_id: str,
        part_number: int,
        *,
        content_length: int,
        content_type: str,
        expires_seconds: int,
        checksum_sha256: str | None = None,
    ) -> PresignedPart:
        """A URL that takes exactly this length and type (and SHA-256, base64)."""

    async def list_parts(self, key: str, s3_upload_id: str) -> list[Part]:
        """The parts that arrived, by number; a part that was sent again may be listed again, last. Some stores tell
        the SHA-256 with which a part came. Raises MultipartUploadNotFound."""

    async def complete_multipart(
        self, key: str, s3_upload_id: str, parts: Sequence[tuple[int, str]], checksums: Mapping[int, str]
    ) -> StoredObject:
        """Assemble the object; of an upload begun with `part_checksums` by the SHA-256 of each part. Raises
        MultipartUploadNotFound (it may also when it was completed before), InvalidPart (also for another SHA-256),
        PartTooSmall, ObjectNotFound (deleted at once)."""

    async def abort_multipart(self, key: str, s3_upload_id: str) -> None:
        """Throw the parts away; an upload that is gone is fine."""

    def list_multiparts(self, prefix: str = "") -> AsyncIterator[MultipartUpload]:
        """The open multipart uploads below `prefix`."""

    async def head(self, key: str) -> StoredObject:
        """The object's facts. Raises ObjectNotFound."""

    async def delete_prefix(self, prefix: str) -> int:
        """Delete all objects below; how many."""


@dataclass(frozen=True)
class Page:
    """A part of a listing, and where the next begins; None after the last."""

    held: Sequence[Held]
    next: str | None


class Inventory(Protocol):
    """What S3 holds, whoever put it there. Every call may raise Unavailable."""

    async def list_objects(self, prefix: str, position: str) -> Page:
        """A page of objects, ascending by the bytes of their keys. A position is the last key before."""

    async def list_multiparts(self, prefix: str, position: str) -> Page:
        """A page of open multipart uploads, in S3's order. A position is one that a page told, or empty."""

    async def find_object(self, s3_key: str) -> Held | None:
        """The object as it is now."""

    async def delete_object(self, s3_key: str) -> None:
        """Delete one object; fine if there is none."""


@dataclass(frozen=True)
class Claim:
    """What the catalog is told about an upload that wants a video; `must_exist` where the client named the video."""

    video_id: UUID
    upload_id: UUID
    user_id: UUID
    must_exist: bool
    title: str
    description: str
    category: str
    visibility: Visibility


@dataclass(frozen=True)
class Delivered:
    """Where the video stands after an event: the status in the words of the API, and the sequence."""

    status: str
    sequence: int


class Catalog(Protocol):
    """The catalog, which owns the videos. Both calls may raise Unavailable and DeadlineExceeded."""

    async def claim_video(self, claim: Claim) -> int:
        """Take a video for an upload; the generation that the upload makes. Repeating a claim gives the same one, while
        the upload holds the video.

        A video that an upload holds is not given to another until the first has ended. Raises the catalog's own
        failures: VIDEO_NOT_FOUND, UPLOAD_NOT_ALLOWED.
        """

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        """Hand an event over ahead of Kafka; takes one second at most. Applied once, on whichever way it comes."""
