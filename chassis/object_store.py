"""S3 objects through aioboto3, against any endpoint: multipart uploads, presigned URLs, whole objects, prefixes.

Permissions needed: PutObject, GetObject, DeleteObject, AbortMultipartUpload, ListMultipartUploadParts on the objects,
ListBucket and ListBucketMultipartUploads on the bucket. The bucket is private; what the outside reads or writes, it
reads or writes by a presigned URL, which is made here without a request and names the public endpoint.

Every call has a deadline and at most three tries. What can go wrong is named neutrally: ObjectNotFound,
MultipartUploadNotFound, InvalidPart, PartTooSmall, and errors.Unavailable for everything else. That passes by itself,
or when somebody mends the deployment: what S3 refuses (a wrong key, no permission, no bucket) is logged with S3's code
as `object_store_refused`.
"""

import asyncio
import errno
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast
from urllib.parse import quote, urlencode

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from botocore.exceptions import BotoCoreError, ClientError
from opentelemetry.trace import SpanKind, get_current_span

from chassis.clock import utc_now
from chassis.errors import Unavailable
from chassis.metrics import OBJECT_STORE_CALLS
from chassis.presigning import presign
from chassis.settings import ObjectStoreSettings
from chassis.telemetry import logger
from chassis.tracing import span

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef, CreateMultipartUploadRequestTypeDef, DeleteTypeDef

P = TypeVar("P")

CALL_SECONDS, COMPLETE_SECONDS, TRANSFER_SECONDS = 20.0, 60.0, 300.0
CHUNK_BYTES = 1024 * 1024

PRIVATE = "private, no-cache"
"""The Cache-Control of objects that are stored without one."""

log = logger(__name__)


class ObjectNotFound(Exception):
    """There is no object with this key."""


class MultipartUploadNotFound(Exception):
    """There is no such multipart upload: it was completed, aborted, or never existed."""


class InvalidPart(Exception):
    """A part named at complete is not there, or its ETag, its SHA-256 or its order is wrong."""


class PartTooSmall(Exception):
    """A part other than the last has less than 5 MiB."""


class _BeyondTheEnd(Exception):
    """A range begins behind the last byte."""


_NEUTRAL = {
    "NoSuchKey": ObjectNotFound,
    "404": ObjectNotFound,  # the reply to HEAD has no body, so no better code
    "NoSuchUpload": MultipartUploadNotFound,
    "InvalidPart": InvalidPart,
    "InvalidPartOrder": InvalidPart,
    "BadDigest": InvalidPart,
    "EntityTooSmall": PartTooSmall,
    "InvalidRange": _BeyondTheEnd,
}
BUSY = {"SlowDown", "RequestTimeout", "OperationAborted", "Throttling", "ThrottlingException", "RequestLimitExceeded"}
"""What S3 says to a request that it will take when it is sent again, though the status is one of a refusal."""


@dataclass(frozen=True)
class Part:
    """A part that S3 holds. `etag` without quotes; `checksum_sha256`, base64, only where S3 lists it, as AWS does."""

    number: int
    size_bytes: int
    etag: str
    checksum_sha256: str | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object's facts. `etag` without quotes."""

    key: str
    size_bytes: int
    etag: str
    content_type: str


@dataclass(frozen=True)
class MultipartUpload:
    """A multipart upload that was neither completed nor aborted."""

    key: str
    s3_upload_id: str


@dataclass(frozen=True)
class PresignedPart:
    """Where to PUT one part, and the headers that must be sent exactly so."""

    url: str
    headers: Mapping[str, str]


@asynccontextmanager
async def open_object_store(settings: ObjectStoreSettings) -> AsyncIterator["ObjectStore"]:
    """The store of one bucket, with at most 50 connections. Opening sends nothing."""
    secret_key = settings.secret_key.get_secret_value() if settings.secret_key else None
    session = aioboto3.Session(settings.access_key, secret_key, region_name=settings.region)
    credentials = await cast("Awaitable[AioCredentials | None]", session.get_credentials())
    if credentials is None:
        raise ValueError("no S3 credentials: neither NEXTPLAY_S3_ACCESS_KEY nor the AWS chain has any")
    internal = str(settings.endpoint).rstrip("/") if settings.endpoint else None
    public = str(settings.public_endpoint).rstrip("/") if settings.public_endpoint else internal
    config = AioConfig(
        connect_timeout=3,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=50,
        signature_version="s3v4",
        s3={"addressing_style": "path" if internal else "virtual"},
        # Not every S3 endpoint knows the checksums that newer SDKs add by themselves.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    async with session.client("s3", endpoint_url=internal, config=config) as client:
        for ended in ("after-call.s3", "after-call-error.s3"):
            client.meta.events.register(ended, _count)
        aws = f"https://{settings.bucket}.s3.{settings.region}.amazonaws.com"
        urls = (f"{endpoint}/{settings.bucket}" if endpoint else aws for endpoint in (internal, public))
        yield ObjectStore(client, credentials, settings.bucket, settings.region, *urls)


@dataclass(frozen=True)
class ObjectStore:
    """The objects of one bucket. ETags are without quotes everywhere; sizes are bytes; expiries are seconds."""

    client: "S3Client"
    credentials: AioCredentials
    bucket: str
    region: str
    internal_url: str
    public_url: str

    async def create_multipart(self, key: str, content_type: str, *, part_checksums: bool = False) -> str:
        """Begin a multipart upload; its S3 upload id. With `part_checksums` S3 wants the SHA-256 of each part, with the
        part and again at complete."""
        told: CreateMultipartUploadRequestTypeDef = {"Bucket": self.bucket, "Key": key, "ContentType": content_type}
        if part_checksums:
            told |= {"ChecksumAlgorithm": "SHA256", "ChecksumType": "COMPOSITE"}
        async with call():
            return (await self.client.create_multipart_upload(**told))["UploadId"]

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
        """A URL, for the public endpoint, that takes exactly this length and type (and SHA-256, base64, if given).

        AWS takes a part with a SHA-256 only in an upload created with `part_checksums`, and there none without.
        """
        headers = {"Content-Length": str(content_length), "Content-Type": content_type}
        if checksum_sha256 is not None:
            headers["x-amz-checksum-sha256"] = checksum_sha256
        query = urlencode({"partNumber": part_number, "uploadId": s3_upload_id})
        url = f"{self.public_url}/{quote(key)}?{query}"
        return PresignedPart(await self._presign("PUT", url, expires_seconds, utc_now(), headers), headers)

    async def list_parts(self, key: str, s3_upload_id: str) -> list[Part]:
        """The parts that arrived, by number. Raises MultipartUploadNotFound.

        Some endpoints go on listing what was sent before under the same number, as assembling may still ask for it by
        its ETag: the last one sent comes last, as far as a clock of seconds tells.
        """
        pages = self.client.get_paginator("list_parts").paginate(Bucket=self.bucket, Key=key, UploadId=s3_upload_id)
        listed = [part async for page in _paged(pages) for part in page.get("Parts", [])]
        listed.sort(key=lambda part: (part["PartNumber"], part["LastModified"]))
        return [Part(p["PartNumber"], p["Size"], p["ETag"].strip('"'), p.get("ChecksumSHA256")) for p in listed]

    async def complete_multipart(
        self, key: str, s3_upload_id: str, parts: Sequence[tuple[int, str]], checksums: Mapping[int, str] = {}
    ) -> StoredObject:
        """Assemble the object from (part number, etag) pairs and read its facts back. An upload with `part_checksums`
        needs `checksums` of all of them, by number.

        Raises MultipartUploadNotFound (also when it was completed before: `head` tells), InvalidPart, PartTooSmall.
        """
        named: list[CompletedPartTypeDef] = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in parts]
        for part in named if checksums else ():
            part["ChecksumSHA256"] = checksums[part["PartNumber"]]
        async with call(COMPLETE_SECONDS):
            await self.client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=s3_upload_id, MultipartUpload={"Parts": named}
            )
        return await self.head(key)

    async def abort_multipart(self, key: str, s3_upload_id: str) -> None:
        """Throw the parts away. An upload that is already gone is fine."""
        with suppress(MultipartUploadNotFound):
            async with call():
                await self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=s3_upload_id)

    async def list_multiparts(self, prefix: str = "") -> AsyncIterator[MultipartUpload]:
        """The open multipart uploads below `prefix`."""
        pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=prefix)
        async for page in _paged(pages):
            for upload in page.get("Uploads", []):
                yield MultipartUpload(upload["Key"], upload["UploadId"])

    async def presign_get(
        self, key: str, *, expires_seconds: int, signed_at: datetime | None = None, public: bool = True
    ) -> str:
        """A URL that reads the object until `signed_at` (default now) + `expires_seconds`.

        Equal arguments give equal URLs, so a `signed_at` rounded down to a window makes URLs that caches share.
        `public=False` signs for the internal endpoint (ffmpeg, probes).
        """
        url = f"{self.public_url if public else self.internal_url}/{quote(key)}"
        return await self._presign("GET", url, expires_seconds, signed_at or utc_now(), {})

    async def head(self, key: str) -> StoredObject:
        """The object's facts. Raises ObjectNotFound."""
        async with call():
            reply = await self.client.head_object(Bucket=self.bucket, Key=key)
        return StoredObject(key, reply["ContentLength"], reply["ETag"].strip('"'), reply.get("ContentType", ""))

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` (at least 1) bytes from `start` on, fewer at the object's end, none beyond it.

        Raises ObjectNotFound.
        """
        wanted = f"bytes={start}-{start + length - 1}"
        try:
            async with call(TRANSFER_SECONDS):
                reply = await self.client.get_object(Bucket=self.bucket, Key=key, Range=wanted)
                async with reply["Body"] as body:
                    return await body.read()
        except _BeyondTheEnd:
            return b""

    async def download(self, key: str, path: Path) -> None:
        """Stream the object to a file. Raises ObjectNotFound, and OSError (ENOSPC) when the disk is full."""
        async with call(TRANSFER_SECONDS):
            reply = await self.client.get_object(Bucket=self.bucket, Key=key)
            async with reply["Body"] as body:
                with path.open("wb") as file:
                    async for chunk in body.content.iter_chunked(CHUNK_BYTES):
                        await asyncio.to_thread(file.write, chunk)

    async def put(self, key: str, data: bytes | BinaryIO, *, content_type: str, cache_control: str = PRIVATE) -> None:
        """Store an object in one request."""
        async with call(TRANSFER_SECONDS):
            await self.client.put_object(
                Bucket=self.bucket, Key=key, Body=data, ContentType=content_type, CacheControl=cache_control
            )

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = PRIVATE) -> None:
        """Stream a file into one object."""
        with path.open("rb") as file:
            await self.put(key, file, content_type=content_type, cache_control=cache_control)

    async def delete_prefix(self, prefix: str) -> int:
        """Delete everything below a prefix (not empty), a thousand objects at most at once; how many."""
        if not prefix:
            raise ValueError("an empty prefix would delete the whole bucket")
        deleted = 0
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        async for page in _paged(pages):
            if not (found := page.get("Contents")):
                continue
            async with call():
                wanted: DeleteTypeDef = {"Objects": [{"Key": one["Key"]} for one in found], "Quiet": True}
                reply = await self.client.delete_objects(Bucket=self.bucket, Delete=wanted)
            if failed := reply.get("Errors"):
                raise Unavailable(f"{len(failed)} of {len(found)} objects could not be deleted.", retry_after=5.0)
            deleted += len(found)
        return deleted

    async def _presign(self, method: str, url: str, seconds: int, at: datetime, headers: Mapping[str, str]) -> str:
        frozen = await self.credentials.get_frozen_credentials()
        return presign(frozen, self.region, method, url, seconds, at, headers)


def _count(event_name: str, http_response: Any = None, **_: Any) -> None:
    """Of a request that ended; without a response if it got none. Retries that botocore makes itself are one."""
    status = http_response.status_code if http_response else 503
    outcome = "ok" if status < 400 else "refused" if status < 500 and status != 429 else "failed"
    operation = event_name.rpartition(".")[2]
    OBJECT_STORE_CALLS.add(1, {"operation": operation, "outcome": outcome})
    get_current_span().set_attributes({"rpc.method": f"S3/{operation}", "http.response.status_code": status})


@asynccontextmanager
async def call(seconds: float = CALL_SECONDS) -> AsyncIterator[None]:
    """A deadline around a call of the client, and its errors in neutral words: for what only one service asks of S3.

    Its span has no key: keys name users.
    """
    try:
        async with asyncio.timeout(seconds):
            with span("S3", SpanKind.CLIENT, {"rpc.system.name": "aws-api"}):
                yield
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        if code in _NEUTRAL:
            raise _NEUTRAL[code] from error
        if status < 500 and status != 429 and code not in BUSY:
            log.error("object_store_refused", operation=error.operation_name, code=code)
        raise Unavailable("The object store is not able to answer at the moment.", retry_after=1.0) from error
    except (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise  # our own disk, when a file is written
        raise Unavailable("The object store is not reachable at the moment.", retry_after=1.0) from error


async def _paged(pages: AsyncIterable[P]) -> AsyncIterator[P]:
    """The pages of a listing, with a deadline for each."""
    iterator = aiter(pages)
    while True:
        async with call():
            if (page := await anext(iterator, None)) is None:
                return
        yield page
