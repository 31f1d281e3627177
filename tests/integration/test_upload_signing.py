"""Signing parts, and telling which have arrived."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
from upload_world import FILE_BYTES, MIB, WEEK, MakeScratch, World, open_world

from chassis.clock import new_id
from chassis.errors import InvalidArgument
from chassis.paging import START, Position
from services.upload.domain.errors import UploadExpired, UploadNotActive, UploadNotFound
from services.upload.domain.parts import PartToSign
from services.upload.domain.upload import Status, Upload
from services.upload.reads import find_generation, list_unfinished
from services.upload.usecases.ending import expire_uploads
from services.upload.usecases.signing import Progress, SignedPart, get_upload, presign_parts


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


async def sign(world: World, upload: Upload, *lengths: tuple[int, int]) -> list[SignedPart]:
    parts = [PartToSign(number, length, None) for number, length in lengths]
    return await presign_parts(world.begin, world.objects, upload.user_id, upload.upload_id, parts)


async def progress(world: World, upload: Upload) -> Progress:
    return await get_upload(world.begin, world.objects, WEEK, upload.user_id, upload.upload_id)


async def test_the_first_signature_makes_an_upload_in_progress(world: World) -> None:
    upload = await world.initiate()
    [signed] = await sign(world, upload, (1, 10 * MIB))
    assert await world.status(upload) is Status.IN_PROGRESS
    assert signed.presigned.headers == {"Content-Length": str(10 * MIB), "Content-Type": "video/mp4"}
    assert timedelta(minutes=9) < signed.expires_at - upload.created_at < timedelta(minutes=11)


async def test_a_part_may_be_signed_again_with_another_length(world: World) -> None:
    upload = await world.initiate()
    await sign(world, upload, (1, 10 * MIB), (2, 10 * MIB))
    await sign(world, upload, (1, 15 * MIB))
    assert [tuple(row)[3] for row in await world.parts(upload)] == [15 * MIB, 10 * MIB]


async def test_a_batch_is_signed_whole_or_not_at_all(world: World) -> None:
    upload = await world.initiate()
    with pytest.raises(InvalidArgument):
        await sign(world, upload, (1, 20 * MIB), (2, 6 * MIB))
    assert await world.parts(upload) == []
    assert await world.status(upload) is Status.INITIATED
    assert [signed.number for signed in await sign(world, upload, (2, 5 * MIB), (1, 20 * MIB))] == [2, 1]


async def test_a_part_without_the_declared_checksum_is_not_signed(world: World) -> None:
    upload = await world.initiate(file_size_bytes=1000, part_checksums=True)
    with pytest.raises(InvalidArgument) as raised:
        await sign(world, upload, (1, 1000))
    assert [violation.field for violation in raised.value.fields] == ["checksum_sha256"]
    assert (await world.parts(upload), await world.status(upload)) == ([], Status.INITIATED)
    assert (await progress(world, upload)).upload.part_checksums
    assert not (await progress(world, await world.initiate())).upload.part_checksums


async def test_signing_at_once_never_exceeds_the_file(world: World) -> None:
    upload = await world.initiate()
    signed = await asyncio.gather(
        *(sign(world, upload, (number, 10 * MIB)) for number in range(1, 6)), return_exceptions=True
    )
    assert sum(isinstance(outcome, InvalidArgument) for outcome in signed) == 3, signed
    assert sum(row["content_length"] for row in await world.parts(upload)) <= FILE_BYTES


async def test_an_ended_upload_is_not_signed_for(world: World) -> None:
    aborted, completed, overdue, expired = [await world.sent() for _ in range(4)]
    await world.abort(aborted)
    await world.complete(completed)
    for upload in (aborted, completed):
        with pytest.raises(UploadNotActive):
            await sign(world, upload, (1, 1))
    await world.age(overdue, minutes=60)
    with pytest.raises(UploadExpired):
        await sign(world, overdue, (1, 1))
    assert await world.status(overdue) is Status.IN_PROGRESS
    await world.age(expired, minutes=60)
    await expire_uploads(world.begin)
    with pytest.raises(UploadExpired):
        await sign(world, expired, (1, 1))


async def test_somebody_elses_upload_is_not_there(world: World) -> None:
    upload = replace(await world.initiate(), user_id=new_id())
    for refused in (sign(world, upload, (1, 1)), progress(world, upload)):
        with pytest.raises(UploadNotFound):
            await refused


async def test_progress_is_what_s3_says(world: World) -> None:
    upload = await world.initiate()
    await world.send(upload, 1, 3)
    await sign(world, upload, (2, 10 * MIB))
    seen = await progress(world, upload)
    assert [(part.number, part.size_bytes) for part in seen.received] == [(1, 10 * MIB), (3, 5 * MIB)]
    assert list(seen.missing) == [2]
    assert [(row["part_number"], row["is_uploaded"]) for row in await world.parts(upload)] == [
        (1, True),
        (2, False),
        (3, True),
    ]


async def test_is_uploaded_falls_back_when_s3_does_not_have_the_part_any_more(world: World) -> None:
    upload = await world.sent()
    await progress(world, upload)
    del world.memory.multiparts[upload.s3_upload_id].parts[2]
    assert list((await progress(world, upload)).missing) == [2]
    assert [(row["etag"] is None, row["is_uploaded"]) for row in await world.parts(upload)] == [
        (False, True),
        (True, False),
        (False, True),
    ]


async def test_an_ended_upload_has_neither_received_nor_missing_parts(world: World) -> None:
    upload = await world.sent()
    await world.complete(upload)
    seen = await progress(world, upload)
    assert (seen.upload.status, seen.received, seen.missing) == (Status.COMPLETED, (), ())
    assert seen.upload.completed_at is not None


async def test_an_upload_that_s3_has_lost_is_seen_as_failed(world: World) -> None:
    upload = await world.sent()
    world.memory.multiparts.clear()
    assert (await progress(world, upload)).upload.status is Status.FAILED
    assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadFailed"]


async def test_a_killed_client_finds_its_uploads_again(world: World) -> None:
    user_id = new_id()
    wanted = await world.initiate(user_id, fingerprint="the file")
    other = await world.initiate(user_id, fingerprint="another")
    ended = await world.initiate(user_id, fingerprint="the file")
    overdue = await world.initiate(user_id, fingerprint="the file")
    await world.initiate(fingerprint="the file")
    await world.abort(ended)
    await world.age(overdue, minutes=61)
    found = await list_unfinished(world.pool, user_id, "the file", START, 10)
    assert [upload.upload_id for upload in found] == [wanted.upload_id]
    found = await list_unfinished(world.pool, user_id, None, START, 10)
    assert [upload.upload_id for upload in found] == [other.upload_id, wanted.upload_id]


async def test_pages_of_uploads_continue_where_the_last_ended(world: World) -> None:
    user_id = new_id()
    uploads = [await world.initiate(user_id) for _ in range(5)]
    seen: list[Upload] = []
    after = START
    while page := await list_unfinished(world.pool, user_id, None, after, 2):
        seen.extend(page)
        after = Position(page[-1].created_at, page[-1].upload_id)
        if len(seen) == 2:
            await world.initiate(user_id)
    assert [upload.upload_id for upload in seen] == [upload.upload_id for upload in reversed(uploads)]


async def test_a_generation_is_found_by_its_video(world: World) -> None:
    upload = await world.initiate()
    found = await find_generation(world.pool, upload.video_id, 1)
    assert found is not None
    assert found.upload_id == upload.upload_id
    assert await find_generation(world.pool, upload.video_id, 2) is None
