"""Completing: exactly once, whatever is repeated, raced or killed."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import Message
from upload_world import FILE_BYTES, MIB, Crash, Fuse, MakeScratch, World, fused, open_world

from chassis.errors import Failure, Unavailable
from chassis.events import EventMeta
from chassis.object_store import StoredObject
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted, UploadFailed
from services.upload.domain.errors import (
    PartMismatch,
    PartsMissing,
    PartTooSmall,
    UploadExpired,
    UploadNotActive,
    UploadNotFound,
)
from services.upload.domain.parts import NamedPart, PartToSign
from services.upload.domain.upload import PartList, Status, Upload
from services.upload.fakes import MemoryCatalog, MemoryObjects
from services.upload.ports import Delivered, PresignedPart
from services.upload.usecases.ending import expire_uploads
from services.upload.usecases.signing import presign_parts

COMPLETED = ["upload.v1.UploadStarted", "upload.v1.UploadCompleted"]
FAILED = ["upload.v1.UploadStarted", "upload.v1.UploadFailed"]


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


async def must_be_completed_once(world: World, upload: Upload) -> None:
    assert await world.status(upload) is Status.COMPLETED
    assert await world.names(upload) == COMPLETED
    assert world.memory.objects[upload.s3_key].size_bytes == upload.file_size_bytes
    assert world.memory.multiparts == {}


async def test_a_whole_file_is_completed(world: World) -> None:
    upload = await world.sent()
    answer = await world.complete(upload)
    assert (answer.video_status, answer.sequence) == ("UPLOADED", 3)
    await must_be_completed_once(world, upload)
    [event] = [one for one in await world.events(upload) if isinstance(one, UploadCompleted)]
    assert (event.input_s3_key, event.size_bytes, event.tier) == (upload.s3_key, FILE_BYTES, "free")
    completed = await world.read(upload)
    assert completed.completed_at == completed.ended_at
    assert event.original_expires_at.ToDatetime(upload.created_at.tzinfo) == completed.original_expires_at


async def test_completing_again_gives_the_same_answer_and_tells_nothing_new(world: World) -> None:
    upload = await world.sent()
    first = await world.complete(upload)
    world.told.videos[upload.video_id].become("PROCESSING", "READY")
    second = await world.complete(upload, [NamedPart(1, "whatever")])
    assert (second.video_status, second.sequence) == (first.video_status, first.sequence)
    await must_be_completed_once(world, upload)


async def test_completing_many_times_at_once_completes_once(world: World) -> None:
    upload = await world.sent()
    answers = await asyncio.gather(*(world.complete(upload) for _ in range(5)))
    assert {(answer.video_status, answer.sequence) for answer in answers} == {("UPLOADED", 3)}
    await must_be_completed_once(world, upload)


async def test_the_parts_that_were_sent_are_marked_with_their_etags(world: World) -> None:
    upload = await world.sent()
    await world.complete(upload)
    assert [tuple(row) for row in await world.parts(upload)] == [
        (1, f"etag-1-{10 * MIB}", True, 10 * MIB),
        (2, f"etag-2-{10 * MIB}", True, 10 * MIB),
        (3, f"etag-3-{5 * MIB}", True, 5 * MIB),
    ]


@pytest.mark.parametrize(
    ("arrived", "client", "refusal"),
    [
        ([1, 3], None, PartsMissing),
        ([1, 3], [NamedPart(1, f"etag-1-{10 * MIB}"), NamedPart(2, "x")], PartsMissing),
        ([1, 2, 3], [NamedPart(1, "wrong")], PartMismatch),
        ([1, 2, 3], [NamedPart(1, f"etag-1-{10 * MIB}")], PartsMissing),
    ],
)
async def test_wrong_parts_change_nothing(
    world: World, arrived: list[int], client: list[NamedPart] | None, refusal: type[Failure]
) -> None:
    upload = await world.initiate()
    await world.send(upload, *arrived)
    before = await world.read(upload)
    with pytest.raises(refusal):
        await world.complete(upload, client)
    assert replace(await world.read(upload), read_at=before.read_at) == before
    assert await world.names(upload) == ["upload.v1.UploadStarted"]
    await world.send(upload)
    await world.complete(upload)
    await must_be_completed_once(world, upload)


async def test_a_small_part_is_refused_and_the_upload_stays_active(world: World) -> None:
    upload = await world.initiate(file_size_bytes=8 * MIB)
    world.memory.hold(upload.s3_upload_id, 1, 3 * MIB)
    world.memory.hold(upload.s3_upload_id, 2, 5 * MIB)
    with pytest.raises(PartTooSmall):
        await world.complete(upload)
    assert await world.status(upload) is Status.INITIATED


async def test_an_overdue_upload_is_completed_until_it_is_marked_expired(world: World) -> None:
    late = await world.sent()
    await world.age(late, minutes=61)
    await world.complete(late)
    await must_be_completed_once(world, late)
    expired = await world.sent()
    await world.age(expired, minutes=61)
    await expire_uploads(world.begin)
    with pytest.raises(UploadExpired):
        await world.complete(expired)


async def test_an_aborted_upload_is_not_completed(world: World) -> None:
    upload = await world.sent()
    await world.abort(upload)
    with pytest.raises(UploadNotActive):
        await world.complete(upload)


async def test_somebody_elses_upload_is_not_there(world: World) -> None:
    upload, other = await world.sent(), await world.initiate()
    with pytest.raises(UploadNotFound):
        await world.complete(replace(upload, user_id=other.user_id))
    assert await world.status(upload) is Status.IN_PROGRESS


async def test_parts_that_s3_has_lost_fail_the_upload(world: World) -> None:
    upload = await world.sent()
    world.memory.multiparts.clear()
    with pytest.raises(UploadNotActive, match="MULTIPART_LOST"):
        await world.complete(upload)
    assert await world.status(upload) is Status.FAILED
    assert await world.names(upload) == FAILED
    [event] = [one for one in await world.events(upload) if isinstance(one, UploadFailed)]
    assert (event.code, event.message) == ("MULTIPART_LOST", "The parts of the upload are not stored any more.")


class Truncating(MemoryObjects):
    """S3 stores one byte less than it was sent."""

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any) -> StoredObject:
        stored = await super().complete_multipart(key, s3_upload_id, parts, *checksums)
        self.objects[key] = replace(stored, size_bytes=stored.size_bytes - 1)
        return self.objects[key]


async def test_an_object_of_another_size_fails_the_upload_and_is_deleted(world: World) -> None:
    world.objects = Truncating()
    upload = await world.sent()
    with pytest.raises(UploadNotActive, match="SIZE_MISMATCH"):
        await world.complete(upload)
    assert await world.names(upload) == FAILED
    await world.purge_all()
    assert world.memory.objects == {}


class Resending(MemoryObjects):
    """The client sends part 1 again between our look at the parts and S3's."""

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any) -> StoredObject:
        self.hold(s3_upload_id, 1, 10 * MIB, "another")
        return await super().complete_multipart(key, s3_upload_id, parts, *checksums)


async def test_a_part_sent_anew_meanwhile_reopens_the_upload(world: World) -> None:
    world.objects = Resending()
    upload = await world.sent()
    with pytest.raises(PartMismatch):
        await world.complete(upload)
    assert await world.status(upload) is Status.IN_PROGRESS
    await world.complete(upload)
    await must_be_completed_once(world, upload)


CLIP, OTHER = b"a" * 1000, b"b" * 1000


async def sign(world: World, upload: Upload, data: bytes) -> PresignedPart:
    """The URL of the only part of an upload with checksums."""
    part = PartToSign(1, len(data), base64.b64encode(hashlib.sha256(data).digest()).decode())
    [signed] = await presign_parts(world.begin, world.objects, upload.user_id, upload.upload_id, [part])
    return signed.presigned


async def test_a_part_that_s3_holds_with_another_checksum_is_named_and_may_be_sent_again(world: World) -> None:
    upload = await world.initiate(file_size_bytes=len(CLIP), part_checksums=True)
    first, last = await sign(world, upload, CLIP), await sign(world, upload, OTHER)
    assert world.memory.put(first, CLIP) == 200
    with pytest.raises(PartMismatch, match=r"^The SHA-256 of part 1 is not the one that was signed last\.$"):
        await world.complete(upload)
    assert await world.status(upload) is Status.IN_PROGRESS
    assert world.memory.put(last, OTHER) == 200
    await world.complete(upload)
    await must_be_completed_once(world, upload)


async def test_what_s3_holds_is_completed_when_it_is_signed_once_more(world: World) -> None:
    upload = await world.initiate(file_size_bytes=len(CLIP), part_checksums=True)
    assert world.memory.put(await sign(world, upload, CLIP), CLIP) == 200
    await sign(world, upload, OTHER)
    await sign(world, upload, CLIP)
    await world.complete(upload)
    await must_be_completed_once(world, upload)


class Away(MemoryObjects):
    """S3 is away when it is first asked to assemble."""

    asked = False

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any) -> StoredObject:
        if not self.asked:
            self.asked = True
            raise Unavailable
        return await super().complete_multipart(key, s3_upload_id, parts, *checksums)


async def begun_with_checksums(world: World) -> Upload:
    """An upload with checksums that is COMPLETING, because S3 was away."""
    world.objects = Away()
    upload = await world.initiate(file_size_bytes=len(CLIP), part_checksums=True)
    assert world.memory.put(await sign(world, upload, CLIP), CLIP) == 200
    with pytest.raises(Unavailable):
        await world.complete(upload)
    assert await world.status(upload) is Status.COMPLETING
    return upload


async def test_the_job_finishes_an_upload_with_its_checksums(world: World) -> None:
    upload = await begun_with_checksums(world)
    assert await world.run_finishing_job() == 1
    await must_be_completed_once(world, upload)


async def test_an_upload_begun_by_the_version_before_without_a_checksum_is_opened_again(world: World) -> None:
    upload = await begun_with_checksums(world)
    await world.pool.execute("UPDATE upload_parts SET checksum_sha256 = NULL")
    assert await world.run_finishing_job() == 0
    assert await world.status(upload) is Status.IN_PROGRESS
    await sign(world, upload, CLIP)
    await world.complete(upload)
    await must_be_completed_once(world, upload)


class Hanging(MemoryObjects):
    """S3 assembles, but its answer is lost."""

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any) -> StoredObject:
        await super().complete_multipart(key, s3_upload_id, parts, *checksums)
        raise Unavailable


async def test_an_unknown_outcome_is_found_out_by_the_job(world: World) -> None:
    world.objects = Hanging()
    upload = await world.sent()
    with pytest.raises(Unavailable):
        await world.complete(upload)
    assert await world.status(upload) is Status.COMPLETING
    with pytest.raises(UploadNotActive):
        await world.abort(upload)
    assert await world.run_finishing_job() == 1
    await must_be_completed_once(world, upload)


async def test_an_unknown_outcome_is_found_out_by_the_next_call(world: World) -> None:
    world.objects = Hanging()
    upload = await world.sent()
    with pytest.raises(Unavailable):
        await world.complete(upload)
    assert (await world.complete(upload)).video_status == "UPLOADED"
    await must_be_completed_once(world, upload)


async def test_the_job_leaves_what_began_a_moment_ago(world: World) -> None:
    world.objects = Hanging()
    upload = await world.sent()
    with pytest.raises(Unavailable):
        await world.complete(upload)
    assert await world.run_finishing_job(after_seconds=60) == 0
    await world.age(upload, seconds=61)
    assert await world.run_finishing_job(after_seconds=60) == 1


async def test_an_upload_that_cannot_be_finished_holds_up_no_other_and_fails_the_job(world: World) -> None:
    uploads = []
    for _ in range(2):
        world.objects = Hanging()
        upload = await world.sent()
        with pytest.raises(Unavailable):
            await world.complete(upload)
        await world.age(upload, seconds=60)
        uploads.append((upload, world.objects))
    (bad, _), (good, world.objects) = uploads

    class Broken(MemoryObjects):
        async def complete_multipart(
            self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any
        ) -> StoredObject:
            if key == bad.s3_key:
                raise ValueError("nobody expected this")
            return await uploads[1][1].complete_multipart(key, s3_upload_id, parts, *checksums)

        async def head(self, key: str) -> StoredObject:
            return await uploads[1][1].head(key)

    world.objects = Broken()
    with pytest.raises(ExceptionGroup, match="1 of 2 uploads"):
        await world.run_finishing_job(after_seconds=30)
    assert await world.status(good) is Status.COMPLETED
    assert await world.status(bad) is Status.COMPLETING
    assert await world.run_finishing_job(after_seconds=30) == 0, "it was not put behind the others"


class Silent(MemoryCatalog):
    """A catalog that takes claims and answers nothing else."""

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        raise Unavailable


async def test_while_the_catalog_is_silent_an_upload_completes_and_says_what_the_catalog_last_confirmed(
    world: World,
) -> None:
    upload = await world.sent()
    catalog = world.told
    world.catalog = Silent(videos=catalog.videos, claims=catalog.claims)
    answer = await world.complete(upload)
    assert (answer.upload.status, answer.video_status, answer.sequence) == (Status.COMPLETED, "UPLOADING", 2)
    world.catalog = catalog
    later = await world.complete(upload)
    assert (later.video_status, later.sequence) == ("UPLOADED", 3)
    await must_be_completed_once(world, upload)


async def test_of_a_catalog_that_was_silent_all_along_only_the_claim_is_known(world: World) -> None:
    world.catalog = Silent()
    upload = await world.sent()
    answer = await world.complete(upload)
    assert (answer.upload.status, answer.video_status, answer.sequence) == (Status.COMPLETED, "DRAFT", 0)


async def test_the_early_event_and_kafkas_have_one_id(world: World) -> None:
    upload = await world.sent()
    await world.complete(upload)
    query = "SELECT headers ->> 'ce_id' FROM outbox WHERE headers ->> 'ce_type' = 'nextplay.upload.v1.UploadCompleted'"
    assert await world.pool.fetchval(query) == str((await world.read(upload)).completed_event_id)
    assert {str(event_id) for event_id in world.told.applied} >= {await world.pool.fetchval(query)}


@pytest.mark.parametrize("client_returns", [True, False])
async def test_a_process_that_dies_at_any_step_loses_and_doubles_nothing(world: World, client_returns: bool) -> None:
    """Dies before and after each call of a port in turn. What was accepted (COMPLETING) is completed by the job alone;
    before that nothing has changed, and the client's next call completes."""
    counted = Fuse()
    await fused(world, counted).complete(await world.sent())
    assert len(counted.steps) > 10
    for at in range(1, len(counted.steps) + 1):
        upload = await world.sent()
        with pytest.raises(Crash) as crash:
            await fused(world, Fuse(at)).complete(upload)
        accepted = await world.status(upload) is not Status.IN_PROGRESS
        if client_returns:
            await world.complete(upload)
        await world.run_finishing_job()
        if client_returns or accepted:
            assert await world.status(upload) is Status.COMPLETED, crash.value
            assert await world.names(upload) == COMPLETED, crash.value
            assert world.memory.objects[upload.s3_key].size_bytes == FILE_BYTES, crash.value
        else:
            assert await world.status(upload) is Status.IN_PROGRESS, crash.value
            assert await world.names(upload) == ["upload.v1.UploadStarted"], crash.value
            assert upload.s3_upload_id in world.memory.multiparts, crash.value


async def test_a_job_that_dies_at_any_step_is_taken_up_by_the_next(world: World) -> None:
    whole = Fuse()
    await fused(world, whole).complete(await world.sent())
    assembled = whole.steps.index("after complete_multipart") + 1

    async def stuck() -> Upload:
        upload = await world.sent()
        with pytest.raises(Crash):
            await fused(world, Fuse(assembled)).complete(upload)
        assert await world.status(upload) is Status.COMPLETING
        return upload

    await stuck()
    counted = Fuse()
    assert await fused(world, counted).run_finishing_job() == 1
    for at in range(1, len(counted.steps) + 1):
        upload = await stuck()
        with pytest.raises(Crash) as crash:
            await fused(world, Fuse(at)).run_finishing_job()
        await asyncio.gather(world.run_finishing_job(), world.run_finishing_job())
        assert await world.names(upload) == COMPLETED, crash.value
        assert await world.status(upload) is Status.COMPLETED, crash.value


async def test_of_complete_and_abort_at_once_one_wins(world: World) -> None:
    for _ in range(10):
        upload = await world.sent()
        completing = world.complete(upload)
        aborting = world.abort(upload)
        completed, aborted = await asyncio.gather(completing, aborting, return_exceptions=True)
        status = await world.status(upload)
        if isinstance(completed, UploadNotActive):
            assert (aborted, status) == (None, Status.ABORTED)
            await world.purge_all()
            assert upload.s3_key not in world.memory.objects
        else:
            assert not isinstance(completed, BaseException), completed
            assert isinstance(aborted, UploadNotActive)
            assert status is Status.COMPLETED
