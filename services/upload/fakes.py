"""Stand-ins for what upload needs from outside: S3's multipart uploads and the catalog, in memory.

They keep the promises of ports.py; tests/integration/test_upload_objects.py and test_upload_catalog.py ask the same of
them and of the real ones.
"""

import base64
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from google.protobuf.message import Message

from chassis.clock import new_id
from chassis.errors import Unavailable
from chassis.events import EventMeta
from chassis.object_store import (
    InvalidPart,
    MultipartUpload,
    MultipartUploadNotFound,
    ObjectNotFound,
    Part,
    PartTooSmall,
    PresignedPart,
    StoredObject,
)
from nextplay.upload.v1.upload_events_pb2 import (
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadFailed,
    UploadStarted,
)
from services.upload.domain.errors import UploadNotAllowed, VideoNotFound
from services.upload.domain.findings import Held
from services.upload.domain.parts import MIN_PART_BYTES
from services.upload.ports import Claim, Delivered, Page


@dataclass
class _Multipart:
    key: str
    content_type: str
    part_checksums: bool
    parts: dict[int, Part] = field(default_factory=dict)


@dataclass
class MemoryObjects:
    """An object store in memory, which keeps sizes and ETags but no bytes. `put` is the client's side of it."""

    objects: dict[str, StoredObject] = field(default_factory=dict)
    multiparts: dict[str, _Multipart] = field(default_factory=dict)

    def put(self, presigned: PresignedPart, data: bytes) -> int:
        """What a PUT of the part is answered with: the HTTP status."""
        path, _, number = presigned.url.removeprefix("memory://").rpartition("/")
        multipart = self.multiparts.get(path)
        if multipart is None:
            return 404
        if presigned.headers["Content-Length"] != str(len(data)):
            return 403
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        told = presigned.headers.get("x-amz-checksum-sha256", None if multipart.part_checksums else checksum)
        if told != checksum:
            return 400
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        kept = checksum if multipart.part_checksums else None
        multipart.parts[int(number)] = Part(int(number), len(data), etag, kept)
        return 200

    def hold(self, s3_upload_id: str, number: int, size_bytes: int, etag: str = "") -> None:
        """Let a part have arrived, without its bytes."""
        self.multiparts[s3_upload_id].parts[number] = Part(number, size_bytes, etag or f"etag-{number}-{size_bytes}")

    async def create_multipart(self, key: str, content_type: str, *, part_checksums: bool = False) -> str:
        s3_upload_id = new_id().hex
        self.multiparts[s3_upload_id] = _Multipart(key, content_type, part_checksums)
        return s3_upload_id

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
        headers = {"Content-Length": str(content_length), "Content-Type": content_type}
        if checksum_sha256 is not None:
            headers["x-amz-checksum-sha256"] = checksum_sha256
        return PresignedPart(f"memory://{s3_upload_id}/{part_number}", headers)

    async def list_parts(self, key: str, s3_upload_id: str) -> list[Part]:
        parts = self._multipart(key, s3_upload_id).parts
        return [parts[number] for number in sorted(parts)]

    async def complete_multipart(
        self, key: str, s3_upload_id: str, parts: Sequence[tuple[int, str]], checksums: Mapping[int, str] = {}
    ) -> StoredObject:
        multipart = self._multipart(key, s3_upload_id)
        chosen = [multipart.parts.get(number) for number, _ in parts]
        etags = [part.etag if part else None for part in chosen]
        if etags != [etag for _, etag in parts]:
            raise InvalidPart
        if multipart.part_checksums and any(number not in checksums for number, _ in parts):
            raise Unavailable
        if multipart.part_checksums and any(part and part.checksum_sha256 != checksums[part.number] for part in chosen):
            raise InvalidPart
        sizes = [part.size_bytes for part in chosen if part]
        if any(size < MIN_PART_BYTES for size in sizes[:-1]):
            raise PartTooSmall
        stored = StoredObject(key, sum(sizes), f"whole-{s3_upload_id}", multipart.content_type)
        self.objects[key] = stored
        del self.multiparts[s3_upload_id]
        return stored

    async def abort_multipart(self, key: str, s3_upload_id: str) -> None:
        self.multiparts.pop(s3_upload_id, None)

    async def list_multiparts(self, prefix: str = "") -> AsyncIterator[MultipartUpload]:
        for s3_upload_id, multipart in list(self.multiparts.items()):
            if multipart.key.startswith(prefix):
                yield MultipartUpload(multipart.key, s3_upload_id)

    async def head(self, key: str) -> StoredObject:
        if key not in self.objects:
            raise ObjectNotFound
        return self.objects[key]

    async def delete_prefix(self, prefix: str) -> int:
        below = [key for key in self.objects if key.startswith(prefix)]
        for key in below:
            del self.objects[key]
        return len(below)

    def _multipart(self, key: str, s3_upload_id: str) -> _Multipart:
        multipart = self.multiparts.get(s3_upload_id)
        if multipart is None or multipart.key != key:
            raise MultipartUploadNotFound
        return multipart


@dataclass
class MemoryInventory:
    """What a store in memory holds, as it is listed; `ages` by key or S3 upload id, else an hour."""

    memory: MemoryObjects
    page_size: int = 1000
    ages: dict[str, timedelta] = field(default_factory=dict)

    async def list_objects(self, prefix: str, position: str) -> Page:
        keys = sorted(key for key in self.memory.objects if key.startswith(prefix) and key > position)
        listed = [self._held(key, "") for key in keys[: self.page_size]]
        return Page(listed, listed[-1].s3_key if len(keys) > self.page_size else None)

    async def list_multiparts(self, prefix: str, position: str) -> Page:
        ids = sorted(
            s3_upload_id
            for s3_upload_id, multipart in self.memory.multiparts.items()
            if multipart.key.startswith(prefix) and s3_upload_id > position
        )
        listed = [self._held(self.memory.multiparts[one].key, one) for one in ids[: self.page_size]]
        return Page(listed, listed[-1].s3_upload_id if len(ids) > self.page_size else None)

    async def find_object(self, s3_key: str) -> Held | None:
        return self._held(s3_key, "") if s3_key in self.memory.objects else None

    async def delete_object(self, s3_key: str) -> None:
        self.memory.objects.pop(s3_key, None)

    def _held(self, s3_key: str, s3_upload_id: str) -> Held:
        return Held(s3_key, s3_upload_id, self.ages.get(s3_upload_id or s3_key, timedelta(hours=1)))


@dataclass
class _Video:
    user_id: UUID
    upload_id: UUID | None = None
    status: str = "DRAFT"
    sequence: int = 1
    generation: int = 0

    def become(self, *statuses: str) -> None:
        for status in statuses:
            self.status = status
            self.sequence += 1

    def let_go(self) -> None:
        """Its upload has ended without an original."""
        self.become("DRAFT") if self.status == "UPLOADING" else self.become("UPLOADING", "DRAFT")
        self.upload_id = None


@dataclass
class MemoryCatalog:
    """A catalog in memory that knows of uploads and nothing else. `applied` holds the events by id, in their order."""

    videos: dict[UUID, _Video] = field(default_factory=dict)
    claims: dict[UUID, int] = field(default_factory=dict)
    applied: dict[UUID, Message] = field(default_factory=dict)
    delivered: dict[UUID, int] = field(default_factory=lambda: defaultdict(int))

    async def claim_video(self, claim: Claim) -> int:
        video = self.videos.get(claim.video_id)
        if video is None and not claim.must_exist:
            video = self.videos[claim.video_id] = _Video(claim.user_id)
        if video is None or video.user_id != claim.user_id or video.status == "DELETED":
            raise VideoNotFound
        if claim.upload_id not in self.claims or video.upload_id != claim.upload_id:
            if video.status not in ("DRAFT", "REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED"):
                raise UploadNotAllowed
            if video.status == "DRAFT" and video.upload_id is not None:
                raise UploadNotAllowed
            if video.status != "DRAFT":
                video.become("DRAFT")
            video.generation += 1
            video.upload_id = claim.upload_id
            self.claims[claim.upload_id] = video.generation
        return self.claims[claim.upload_id]

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        video = self.videos[UUID(event.video_id)]  # type: ignore[attr-defined]
        self.delivered[meta.id] += 1
        if meta.id not in self.applied:
            self.applied[meta.id] = event
            if event.generation == video.generation:  # type: ignore[attr-defined]
                _apply(video, event)
        return Delivered(video.status, video.sequence)


def _apply(video: _Video, event: Message) -> None:
    match event:
        case UploadStarted() if video.status == "DRAFT":
            video.become("UPLOADING")
        case UploadCompleted() if video.status == "DRAFT":
            video.become("UPLOADING", "UPLOADED")
        case UploadCompleted() if video.status == "UPLOADING":
            video.become("UPLOADED")
        case UploadAborted() | UploadExpired() | UploadFailed() if video.upload_id and video.status != "UPLOADED":
            video.let_go()
