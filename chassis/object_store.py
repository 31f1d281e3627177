"""S3 objects through aioboto3, against any endpoint: multipart uploads, presigned URLs, whole objects, prefixes.

Every call has a deadline and bounded retries. What can go wrong is named neutrally: ObjectNotFound,
MultipartUploadNotFound, InvalidPart, PartTooSmall, and errors.Unavailable for whatever passes by itself.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chassis.settings import ObjectStoreSettings


class ObjectNotFound(Exception):
    """There is no object with this key."""


class MultipartUploadNotFound(Exception):
    """There is no such multipart upload: it was completed, aborted, or never existed."""


class InvalidPart(Exception):
    """A part named at complete is not there, or its ETag or its order is wrong."""


class PartTooSmall(Exception):
    """A part other than the last has less than 5 MiB."""


@dataclass(frozen=True)
class Part:
    """A part that S3 holds. `etag` without quotes."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True)
class StoredObject:
    """An object's facts. `etag` without quotes; `content_type` is empty in listings, which don't tell it."""

    key: str
    size_bytes: int
    etag: str
    content_type: str
    modified_at: datetime


@dataclass(frozen=True)
class MultipartUpload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    s3_upload_id: str
    initiated_at: datetime


@dataclass(frozen=True)
class PresignedPart:
    """Where to PUT one part, and the headers that must be sent exactly so."""

    url: str
    headers: Mapping[str, str]


@asynccontextmanager
async def open_object_store(settings: ObjectStoreSettings) -> AsyncIterator["ObjectStore"]:
    """The store of one bucket, with at most 50 connections."""
    raise NotImplementedError
    yield


class ObjectStore:
    """The objects of one bucket. ETags are without quotes everywhere; sizes are bytes; expiries are seconds."""

    async def check(self) -> None:
        """Raises Unavailable unless the bucket answers: `service.check("s3", store.check)`."""
        raise NotImplementedError

    async def create_multipart(self, key: str, content_type: str) -> str:
        """Begin a multipart upload; its S3 upload id."""
        raise NotImplementedError

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
        """A URL, for the public endpoint, that takes exactly this length and type (and SHA-256, base64, if given)."""
        raise NotImplementedError

    async def list_parts(self, key: str, s3_upload_id: str) -> list[Part]:
        """The parts that arrived, by number. Raises MultipartUploadNotFound."""
        raise NotImplementedError

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: Sequence[tuple[int, str]]) -> StoredObject:
        """Assemble the object from (part number, etag) pairs and read its facts back.

        Raises MultipartUploadNotFound (also when it was completed before: `head` tells), InvalidPart, PartTooSmall.
        """
        raise NotImplementedError

    async def abort_multipart(self, key: str, s3_upload_id: str) -> None:
        """Throw the parts away. An upload that is already gone is fine."""
        raise NotImplementedError

    def list_multiparts(self, prefix: str = "") -> AsyncIterator[MultipartUpload]:
        """The open multipart uploads below `prefix`."""
        raise NotImplementedError

    async def presign_get(
        self, key: str, *, expires_seconds: int, signed_at: datetime | None = None, public: bool = True
    ) -> str:
        """A URL that reads the object until `signed_at` (default now) + `expires_seconds`.

        Equal arguments give equal URLs, so a `signed_at` rounded down to a window makes URLs that caches share.
        `public=False` signs for the internal endpoint (ffmpeg, probes).
        """
        raise NotImplementedError

    async def head(self, key: str) -> StoredObject:
        """The object's facts. Raises ObjectNotFound."""
        raise NotImplementedError

    async def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or `length` of them from `start` on (fewer at its end). Raises ObjectNotFound."""
        raise NotImplementedError

    async def download(self, key: str, path: Path) -> None:
        """Stream the object to a file. Raises ObjectNotFound."""
        raise NotImplementedError

    async def put(self, key: str, data: bytes, *, content_type: str, cache_control: str | None = None) -> None:
        """Store a small object in one request."""
        raise NotImplementedError

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str | None = None) -> None:
        """Stream a file into one object."""
        raise NotImplementedError

    async def delete(self, keys: Collection[str]) -> None:
        """Delete the objects, a thousand a request; absent ones are fine."""
        raise NotImplementedError

    async def delete_prefix(self, prefix: str) -> int:
        """Delete everything below a prefix (not empty), page by page; how many objects."""
        raise NotImplementedError

    def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """The objects below `prefix`, in the order of their keys."""
        raise NotImplementedError
