"""What upload relies on in S3: the same from the real one as from the one in memory, and the whole way on the real one.

Every file here has two small parts at most, the first of 5 MiB.
"""

import asyncio
import base64
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import httpx
import pytest
from upload_world import MIB, WEEK, MakeScratch, World, open_world

from chassis.errors import Unavailable
from chassis.object_store import (
    InvalidPart,
    MultipartUploadNotFound,
    ObjectNotFound,
    ObjectStore,
    PartTooSmall,
    PresignedPart,
    StoredObject,
)
from services.upload.domain.errors import PartMismatch, PartsMissing
from services.upload.domain.parts import NamedPart, PartToSign
from services.upload.domain.upload import Status, Upload
from services.upload.fakes import MemoryObjects
from services.upload.ports import Objects
from services.upload.usecases.ending import expire_uploads
from services.upload.usecases.signing import get_upload, presign_parts

FIRST, LAST = b"1" * (5 * MIB), b"2" * 1000
TYPE = "video/mp4"

Put: TypeAlias = Callable[[PresignedPart, bytes], Awaitable[int]]
"""PUTs a part as a client does; the HTTP status of the answer."""


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@dataclass(frozen=True)
class Storage:
    """An object store, the client's way to it, and a prefix for one test alone."""

    objects: Objects
    put: Put
    prefix: str

    @property
    def key(self) -> str:
        return f"{self.prefix}original.mp4"

    async def send(self, s3_upload_id: str, number: int, data: bytes, **changes: Any) -> int:
        told = {"content_length": len(data), "content_type": TYPE, "expires_seconds": 600, **changes}
        return await self.put(await self.objects.presign_part(self.key, s3_upload_id, number, **told), data)

    async def begin(self) -> str:
        """A multipart upload with two parts that have arrived."""
        s3_upload_id = await self.objects.create_multipart(self.key, TYPE)
        assert await self.send(s3_upload_id, 1, FIRST) == 200
        assert await self.send(s3_upload_id, 2, LAST) == 200
        return s3_upload_id

    async def complete(self, s3_upload_id: str) -> StoredObject:
        parts = await self.objects.list_parts(self.key, s3_upload_id)
        named = [(part.number, part.etag) for part in parts]
        return await self.objects.complete_multipart(self.key, s3_upload_id, named, {})


@pytest.fixture
async def put() -> AsyncIterator[Put]:
    async with httpx.AsyncClient(timeout=20) as http:

        async def put_part(presigned: PresignedPart, data: bytes) -> int:
            headers = {**presigned.headers, "Content-Length": str(len(data))}
            return (await http.put(presigned.url, content=data, headers=headers)).status_code

        yield put_part


@pytest.fixture(params=["s3", "memory"])
def storage(request: pytest.FixtureRequest, put: Put) -> Storage:
    if request.param == "memory":
        memory = MemoryObjects()

        async def put_in_memory(presigned: PresignedPart, data: bytes) -> int:
            return memory.put(presigned, data)

        return Storage(memory, put_in_memory, "uploads/test/")
    return Storage(request.getfixturevalue("object_store"), put, request.getfixturevalue("prefix"))


async def test_parts_become_an_object(storage: Storage) -> None:
    s3_upload_id = await storage.begin()
    parts = await storage.objects.list_parts(storage.key, s3_upload_id)
    assert [(part.number, part.size_bytes) for part in parts] == [(1, len(FIRST)), (2, len(LAST))]
    assert parts[1].etag == md5(LAST)
    stored = await storage.complete(s3_upload_id)
    assert (stored.key, stored.size_bytes) == (storage.key, len(FIRST) + len(LAST))
    assert (await storage.objects.head(storage.key)).size_bytes == stored.size_bytes


async def test_a_completed_upload_is_unknown_and_takes_nothing(storage: Storage) -> None:
    s3_upload_id = await storage.begin()
    parts = [(part.number, part.etag) for part in await storage.objects.list_parts(storage.key, s3_upload_id)]
    stored = await storage.complete(s3_upload_id)
    with suppress(MultipartUploadNotFound):
        assert await storage.objects.complete_multipart(storage.key, s3_upload_id, parts, {}) == stored
    with pytest.raises(MultipartUploadNotFound):
        await storage.objects.list_parts(storage.key, s3_upload_id)
    assert await storage.send(s3_upload_id, 2, b"late") == 404
    assert (await storage.objects.head(storage.key)).etag == stored.etag


async def test_an_aborted_upload_is_unknown_and_takes_nothing(storage: Storage) -> None:
    s3_upload_id = await storage.begin()
    for _ in range(2):
        await storage.objects.abort_multipart(storage.key, s3_upload_id)
    with pytest.raises(MultipartUploadNotFound):
        await storage.objects.list_parts(storage.key, s3_upload_id)
    assert await storage.send(s3_upload_id, 1, b"late") == 404
    with pytest.raises(ObjectNotFound):
        await storage.objects.head(storage.key)


async def test_of_a_part_that_was_sent_again_the_last_counts(storage: Storage) -> None:
    s3_upload_id = await storage.begin()
    assert await storage.send(s3_upload_id, 2, b"other") == 200
    parts = await storage.objects.list_parts(storage.key, s3_upload_id)
    [first, *_] = parts
    [last] = [part for part in parts if part.size_bytes == len(b"other")]
    named = [(1, first.etag), (2, last.etag)]
    stored = await storage.objects.complete_multipart(storage.key, s3_upload_id, named, {})
    assert stored.size_bytes == len(FIRST) + len(b"other")


async def test_a_part_that_never_arrived_is_refused_and_the_others_stay(storage: Storage) -> None:
    s3_upload_id = await storage.begin()
    [first, last] = await storage.objects.list_parts(storage.key, s3_upload_id)
    for named in ([(1, first.etag), (2, "0" * 32)], [(1, first.etag), (3, last.etag)]):
        with pytest.raises(InvalidPart):
            await storage.objects.complete_multipart(storage.key, s3_upload_id, named, {})
    assert await storage.objects.list_parts(storage.key, s3_upload_id) == [first, last]


async def test_a_small_part_before_the_last_is_refused(storage: Storage) -> None:
    s3_upload_id = await storage.objects.create_multipart(storage.key, TYPE)
    for number in (1, 2):
        assert await storage.send(s3_upload_id, number, LAST) == 200
    with pytest.raises(PartTooSmall):
        await storage.complete(s3_upload_id)


async def test_another_length_than_signed_is_refused(storage: Storage) -> None:
    s3_upload_id = await storage.objects.create_multipart(storage.key, TYPE)
    assert await storage.send(s3_upload_id, 1, LAST, content_length=len(LAST) + 1) == 403
    assert await storage.objects.list_parts(storage.key, s3_upload_id) == []


async def test_other_bytes_than_signed_are_refused(storage: Storage) -> None:
    s3_upload_id = await storage.objects.create_multipart(storage.key, TYPE)
    assert await storage.send(s3_upload_id, 1, LAST, checksum_sha256=sha256(FIRST)) == 400
    assert await storage.objects.list_parts(storage.key, s3_upload_id) == []
    assert await storage.send(s3_upload_id, 1, LAST, checksum_sha256=sha256(LAST)) == 200


async def test_an_upload_with_checksums_takes_and_assembles_only_what_they_say(storage: Storage) -> None:
    s3_upload_id = await storage.objects.create_multipart(storage.key, TYPE, part_checksums=True)
    right = {1: sha256(FIRST), 2: sha256(LAST)}
    assert await storage.send(s3_upload_id, 1, FIRST, checksum_sha256=right[1]) == 200
    assert await storage.send(s3_upload_id, 2, LAST, checksum_sha256=right[1]) == 400
    assert await storage.send(s3_upload_id, 2, LAST, checksum_sha256=right[2]) == 200
    parts = [(part.number, part.etag) for part in await storage.objects.list_parts(storage.key, s3_upload_id)]
    with pytest.raises(InvalidPart):
        await storage.objects.complete_multipart(storage.key, s3_upload_id, parts, {1: right[1], 2: right[1]})
    with pytest.raises(Unavailable):
        await storage.objects.complete_multipart(storage.key, s3_upload_id, parts, {})
    stored = await storage.objects.complete_multipart(storage.key, s3_upload_id, parts, right)
    assert stored.size_bytes == len(FIRST) + len(LAST)


async def test_a_prefix_is_emptied_of_uploads_and_objects(storage: Storage) -> None:
    await storage.complete(await storage.begin())
    open_upload = await storage.begin()
    listed = [upload async for upload in storage.objects.list_multiparts(storage.prefix)]
    assert [(upload.key, upload.s3_upload_id) for upload in listed] == [(storage.key, open_upload)]
    assert await storage.objects.delete_prefix(storage.prefix) == 1
    assert await storage.objects.delete_prefix(storage.prefix) == 0
    with pytest.raises(ObjectNotFound):
        await storage.objects.head(storage.key)


@pytest.fixture
async def world(scratch_schema: MakeScratch, object_store: ObjectStore) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        opened.objects = object_store
        yield opened
        prefixes = await opened.pool.fetch("SELECT DISTINCT user_id FROM uploads")
        for (user_id,) in prefixes:
            await object_store.delete_prefix(f"uploads/{user_id}/")
            async for multipart in object_store.list_multiparts(f"uploads/{user_id}/"):
                await object_store.abort_multipart(multipart.key, multipart.s3_upload_id)


async def sign(
    world: World, upload: Upload, number: int, length: int, checksum_sha256: str | None = None
) -> PresignedPart:
    part = PartToSign(number, length, checksum_sha256)
    [signed] = await presign_parts(world.begin, world.objects, upload.user_id, upload.upload_id, [part])
    return signed.presigned


async def uploaded(world: World, put: Put) -> Upload:
    """An upload of both parts on the real S3."""
    upload = await world.initiate(uuid.uuid4(), file_size_bytes=len(FIRST) + len(LAST))
    for number, data in ((1, FIRST), (2, LAST)):
        assert await put(await sign(world, upload, number, len(data)), data) == 200
    return upload


async def test_a_file_goes_the_whole_way_on_the_real_s3(world: World, put: Put) -> None:
    upload = await uploaded(world, put)
    seen = await get_upload(world.begin, world.objects, WEEK, upload.user_id, upload.upload_id)
    assert ([part.size_bytes for part in seen.received], seen.missing) == ([len(FIRST), len(LAST)], [])
    client = [NamedPart(part.number, part.etag) for part in seen.received]
    assert (await world.complete(upload, client)).video_status == "UPLOADED"
    stored = await world.objects.head(upload.s3_key)
    assert (stored.size_bytes, stored.content_type) == (len(FIRST) + len(LAST), TYPE)


async def test_completing_at_once_on_the_real_s3_completes_once(world: World, put: Put) -> None:
    upload = await uploaded(world, put)
    answers = await asyncio.gather(*(world.complete(upload) for _ in range(4)))
    assert {answer.video_status for answer in answers} == {"UPLOADED"}
    assert (await world.names(upload)).count("upload.v1.UploadCompleted") == 1
    assert (await world.objects.head(upload.s3_key)).size_bytes == upload.file_size_bytes


async def test_wrong_parts_on_the_real_s3_are_named_and_lose_nothing(world: World, put: Put) -> None:
    upload = await world.initiate(file_size_bytes=len(FIRST) + len(LAST))
    assert await put(await sign(world, upload, 1, len(FIRST)), FIRST) == 200
    late = await sign(world, upload, 2, len(LAST))
    assert await put(late, LAST[1:]) == 403
    with pytest.raises(PartsMissing, match=r"^Part 2 is missing: 5,242,880 of 5,243,880 bytes are there\.$"):
        await world.complete(upload)
    assert await put(late, LAST) == 200
    with pytest.raises(PartMismatch, match="part 2"):
        await world.complete(upload, [NamedPart(1, md5(FIRST)), NamedPart(2, "0" * 32)])
    assert (await world.complete(upload)).video_status == "UPLOADED"


async def test_a_file_with_checksums_goes_the_whole_way_on_the_real_s3(world: World, put: Put) -> None:
    upload = await world.initiate(file_size_bytes=len(FIRST) + len(LAST), part_checksums=True)
    for number, data in ((1, FIRST), (2, LAST)):
        signed = await sign(world, upload, number, len(data), sha256(data))
        assert await put(signed, bytes(len(data))) == 400
        assert await put(signed, data) == 200
    other = LAST[:-1] + b"3"
    late = await sign(world, upload, 2, len(other), sha256(other))
    with pytest.raises(PartMismatch, match="another SHA-256"):
        await world.complete(upload)
    assert await world.status(upload) is Status.IN_PROGRESS
    assert await put(late, other) == 200
    etags = [NamedPart(number, md5(data)) for number, data in ((1, FIRST), (2, other))]
    assert (await world.complete(upload, etags)).video_status == "UPLOADED"
    stored = cast(ObjectStore, world.objects)
    assert await stored.get_range(upload.s3_key, len(FIRST), len(other)) == other


async def test_a_url_used_after_the_end_changes_nothing(world: World, put: Put) -> None:
    completed, aborted, expired = [await uploaded(world, put) for _ in range(3)]
    urls = [await sign(world, upload, 2, len(LAST)) for upload in (completed, aborted, expired)]
    await world.complete(completed)
    before = await world.objects.head(completed.s3_key)
    await world.abort(aborted)
    await world.age(expired, minutes=61)
    await expire_uploads(world.begin)
    await world.purge_all()
    assert [await put(url, LAST) for url in urls] == [404, 404, 404]
    assert await world.objects.head(completed.s3_key) == before
    store = cast(ObjectStore, world.objects)
    for upload in (aborted, expired):
        assert await store.delete_prefix(upload.prefix) == 0, "nothing was left to delete"
        assert [found async for found in store.list_multiparts(upload.prefix)] == []


async def test_an_upload_whose_parts_the_real_s3_lost_fails(world: World, put: Put) -> None:
    upload = await uploaded(world, put)
    await world.objects.abort_multipart(upload.s3_key, upload.s3_upload_id)
    seen = await get_upload(world.begin, world.objects, WEEK, upload.user_id, upload.upload_id)
    assert seen.upload.status is Status.FAILED
