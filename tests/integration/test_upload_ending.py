"""Uploads that end without a clip, originals that are needed no more, and videos that are deleted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import Message
from upload_world import LAST_UPLOAD_ENDS, WEEK, Crash, Fuse, MakeScratch, World, fused, open_world

from chassis.clock import new_id
from chassis.errors import Unavailable
from chassis.events import EventMeta
from chassis.object_store import StoredObject
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoRetryRequested
from nextplay.media.v1.media_events_pb2 import TranscodeCompleted, TranscodeFailed, VideoRejected
from services.upload import maintenance
from services.upload.domain.errors import UploadNotActive, UploadNotFound
from services.upload.domain.upload import PartList, Status, Upload
from services.upload.fakes import MemoryCatalog, MemoryObjects
from services.upload.ports import Delivered
from services.upload.usecases.ending import abort_upload, delete_ended_uploads, expire_uploads
from services.upload.usecases.purging import claim_purges, delete_outlived_originals, purge


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


async def completed(world: World) -> Upload:
    upload = await world.sent()
    await world.complete(upload)
    return upload


def told(event: type[Message], upload: Upload, generation: int = 1) -> Message:
    """An event of another context about the upload's video."""
    fields = {"video_id": str(upload.video_id), "user_id": str(upload.user_id), "generation": generation}
    if "upload_id" in event.DESCRIPTOR.fields_by_name:
        fields["upload_id"] = str(upload.upload_id)
    return event(**fields)


def deleted(upload: Upload) -> Message:
    return told(VideoDeleted, upload)


async def test_an_aborted_upload_frees_what_s3_holds_at_once(world: World) -> None:
    upload = await world.sent()
    await world.abort(upload)
    assert await world.status(upload) is Status.ABORTED
    assert world.memory.multiparts == {}
    assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadAborted"]


async def test_aborting_again_is_the_same(world: World) -> None:
    upload = await world.sent()
    await asyncio.gather(world.abort(upload), world.abort(upload))
    await world.abort(upload)
    assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadAborted"]


async def test_the_video_of_an_aborted_upload_takes_another_at_once(world: World) -> None:
    upload = await world.sent()
    await world.abort(upload)
    again = await world.initiate(upload.user_id, video_id=upload.video_id)
    assert again.generation == upload.generation + 1


async def test_the_early_abort_and_kafkas_have_one_id(world: World) -> None:
    upload = await world.sent()
    await world.abort(upload)
    query = "SELECT headers ->> 'ce_id' FROM outbox WHERE headers ->> 'ce_type' = 'nextplay.upload.v1.UploadAborted'"
    assert UUID(await world.pool.fetchval(query)) in world.told.applied


class Silent(MemoryCatalog):
    """A catalog that does not answer what it is told."""

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        raise Unavailable


async def test_an_abort_while_the_catalog_is_away_holds_and_is_told_by_kafka(world: World) -> None:
    upload = await world.sent()
    world.catalog = Silent(videos=world.told.videos, claims=world.told.claims)
    await world.abort(upload)
    assert await world.status(upload) is Status.ABORTED
    assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadAborted"]
    assert world.memory.multiparts == {}


async def test_a_completed_upload_is_not_aborted(world: World) -> None:
    upload = await completed(world)
    with pytest.raises(UploadNotActive):
        await world.abort(upload)
    assert upload.s3_key in world.memory.objects


async def test_somebody_elses_upload_is_not_aborted(world: World) -> None:
    upload = await world.initiate()
    with pytest.raises(UploadNotFound):
        await abort_upload(world.begin, world.objects, world.catalog, new_id(), upload.upload_id)
    assert await world.status(upload) is Status.INITIATED


class Away(MemoryObjects):
    """S3 does not answer what would delete."""

    away = True

    async def abort_multipart(self, key: str, s3_upload_id: str) -> None:
        if self.away:
            raise Unavailable
        await super().abort_multipart(key, s3_upload_id)


async def test_an_abort_while_s3_is_away_is_made_up_for(world: World) -> None:
    world.objects = objects = Away()
    upload = await world.sent()
    await world.abort(upload)
    assert await world.status(upload) is Status.ABORTED
    await world.purge_all()
    assert objects.multiparts
    objects.away = False
    await world.pool.execute("UPDATE purges SET next_at = now()")
    await world.purge_all()
    assert objects.multiparts == {}
    assert await world.purges() == []


async def test_overdue_uploads_expire_once(world: World) -> None:
    overdue, fresh = [await world.sent() for _ in range(3)], await world.sent()
    for upload in overdue:
        await world.age(upload, minutes=61)
    counts = await asyncio.gather(expire_uploads(world.begin), expire_uploads(world.begin))
    assert sum(counts) == 3
    for upload in overdue:
        assert await world.status(upload) is Status.EXPIRED
        assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadExpired"]
    await world.purge_all()
    assert list(world.memory.multiparts) == [fresh.s3_upload_id]
    assert await world.status(fresh) is Status.IN_PROGRESS


async def test_a_job_that_dies_leaves_no_expired_upload_untold_or_unpurged(world: World) -> None:
    counted = Fuse()
    await expire_uploads(fused(world, counted).begin)
    for at in range(1, len(counted.steps) + 1):
        upload = await world.sent()
        await world.age(upload, minutes=61)
        with pytest.raises(Crash) as crash:
            await expire_uploads(fused(world, Fuse(at)).begin)
        await expire_uploads(world.begin)
        await world.purge_all()
        assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadExpired"], crash.value
        assert world.memory.multiparts == {}, crash.value


class Hanging(MemoryObjects):
    """S3 does not answer whether it assembled."""

    async def complete_multipart(self, key: str, s3_upload_id: str, parts: PartList, *checksums: Any) -> StoredObject:
        raise Unavailable


async def test_what_is_completing_does_not_expire(world: World) -> None:
    world.objects = Hanging()
    upload = await world.sent()
    with pytest.raises(Unavailable):
        await world.complete(upload)
    await world.age(upload, minutes=61)
    assert await expire_uploads(world.begin) == 0
    assert await world.status(upload) is Status.COMPLETING


async def test_expiry_and_complete_at_once_agree(world: World) -> None:
    for _ in range(10):
        upload = await world.sent()
        await world.age(upload, minutes=61)
        await asyncio.gather(world.complete(upload), expire_uploads(world.begin), return_exceptions=True)
        await world.purge_all()
        told_last = (await world.names(upload))[1]
        status = await world.status(upload)
        assert (status, told_last) in [
            (Status.COMPLETED, "upload.v1.UploadCompleted"),
            (Status.EXPIRED, "upload.v1.UploadExpired"),
        ]
        assert (upload.s3_key in world.memory.objects) is (status is Status.COMPLETED)


async def test_the_specifications_statement_expires_uploads_too(world: World) -> None:
    upload = await world.sent()
    await world.age(upload, minutes=61)
    assert await world.pool.fetchval("SELECT cleanup_expired_uploads()") == upload.upload_id
    assert await world.status(upload) is Status.EXPIRED
    assert await world.purges() == [(upload.prefix, "expired")]


async def test_old_rows_without_an_original_are_deleted(world: World) -> None:
    aborted, expired, whole = await world.sent(), await world.sent(), await completed(world)
    await world.abort(aborted)
    await world.age(expired, minutes=61)
    await expire_uploads(world.begin)
    assert await delete_ended_uploads(world.begin, days=7) == 0
    for upload in (aborted, expired, whole):
        await world.age(upload, days=7)
    assert await delete_ended_uploads(world.begin, days=7) == 2
    assert await world.status(whole) is Status.COMPLETED
    assert await world.pool.fetchval("SELECT count(DISTINCT upload_id) FROM upload_parts") == 1


async def test_the_job_says_what_it_did(world: World) -> None:
    upload = await world.sent()
    await world.age(upload, minutes=61)
    await world.pool.execute("UPDATE rate_limit_uses SET used_at = used_at - interval '61 minutes'")
    did = await maintenance.cleanup_expired_uploads(world.begin, 7, timedelta(hours=1))
    assert did == {"expired": 1, "deleted": 0, "uses_forgotten": 1}


async def test_the_original_of_a_rejected_clip_is_deleted(world: World) -> None:
    rejected, other = await completed(world), await completed(world)
    event = told(VideoRejected, rejected)
    await world.apply(event, event)
    assert await world.purges() == [(rejected.prefix, "rejected")]
    await world.purge_all()
    assert list(world.memory.objects) == [other.s3_key]


async def test_an_original_outlives_its_transcode_by_seven_days(world: World) -> None:
    for ended in (TranscodeCompleted, TranscodeFailed):
        upload = await completed(world)
        await world.age(upload, days=6)
        await world.apply(told(ended, upload))
        await world.age(upload, days=6, hours=23)
        assert await delete_outlived_originals(world.begin) == 0
        await world.age(upload, hours=3)
        assert await delete_outlived_originals(world.begin) == 1
        assert await delete_outlived_originals(world.begin) == 0
        await world.purge_all()
        assert upload.s3_key not in world.memory.objects
        assert await world.status(upload) is Status.COMPLETED


async def test_of_runs_at_once_each_outlived_original_is_given_up_by_one(world: World) -> None:
    uploads = [await completed(world) for _ in range(6)]
    for upload in uploads:
        await world.apply(told(TranscodeCompleted, upload))
        await world.age(upload, days=8)
    assert sum(await asyncio.gather(*(delete_outlived_originals(world.begin) for _ in range(3)))) == 6
    assert sorted(await world.purges()) == sorted((upload.prefix, "outlived") for upload in uploads)


async def test_an_original_whose_transcode_still_runs_is_kept(world: World) -> None:
    upload = await completed(world)
    await world.age(upload, days=20)
    assert await delete_outlived_originals(world.begin) == 0
    await world.age(upload, days=20)
    assert await delete_outlived_originals(world.begin) == 1, "nothing was heard of it for a month"


@pytest.mark.parametrize("overtaken", [False, True])
async def test_an_original_that_is_transcoded_again_is_kept_until_that_ends(world: World, overtaken: bool) -> None:
    upload = await completed(world)
    await world.apply(told(TranscodeFailed, upload))
    wanted, ended = told(VideoRetryRequested, upload, 2), told(TranscodeCompleted, upload, 2)
    if overtaken:
        await world.apply(ended, wanted)
    else:
        await world.apply(wanted)
        await world.age(upload, days=8)
        assert await delete_outlived_originals(world.begin) == 0
        await world.apply(ended)
    await world.age(upload, days=6)
    assert await delete_outlived_originals(world.begin) == 0
    await world.age(upload, days=2)
    assert await delete_outlived_originals(world.begin) == 1


async def test_each_original_of_a_video_ages_for_itself(world: World) -> None:
    first = await completed(world)
    world.told.videos[first.video_id].status = "PROCESSING_FAILED"
    second = await world.sent(user_id=first.user_id, video_id=first.video_id)
    await world.complete(second)
    await world.apply(told(TranscodeFailed, first, 1))
    for upload in (first, second):
        await world.age(upload, days=8)
    assert await delete_outlived_originals(world.begin) == 1
    await world.purge_all()
    assert list(world.memory.objects) == [second.s3_key]


async def test_a_deleted_video_keeps_nothing(world: World) -> None:
    first = await completed(world)
    world.told.videos[first.video_id].status = "REJECTED_FORMAT"
    second = await world.sent(user_id=first.user_id, video_id=first.video_id)
    other = await completed(world)
    await world.apply(deleted(second))
    assert await world.status(second) is Status.ABORTED
    await world.purge_all()
    assert list(world.memory.objects) == [other.s3_key]
    assert world.memory.multiparts == {}
    await world.age(first, days=60)
    assert await delete_outlived_originals(world.begin) == 0, "it is gone already"


async def test_the_purge_of_a_deleted_video_is_repeated_when_its_last_upload_has_ended(world: World) -> None:
    upload = await completed(world)
    await world.apply(deleted(upload))
    await world.purge_all()
    assert await world.purges() == [(f"uploads/{upload.user_id}/{upload.video_id}/", "deleted")]
    due_in = await world.pool.fetchval("SELECT next_at - now() FROM purges")
    assert LAST_UPLOAD_ENDS - timedelta(minutes=1) < due_in <= LAST_UPLOAD_ENDS
    stray = await world.memory.create_multipart(upload.s3_key, "video/mp4")
    await world.pool.execute("UPDATE purges SET next_at = now()")
    await world.purge_all()
    assert stray not in world.memory.multiparts
    assert await world.purges() == []


async def test_a_video_deleted_while_its_upload_is_completing_keeps_nothing(world: World) -> None:
    whole = Fuse()
    await fused(world, whole).complete(await world.sent())
    for step in ("before complete_multipart", "after complete_multipart"):
        upload = await world.sent()
        with pytest.raises(Crash):
            await fused(world, Fuse(whole.steps.index(step) + 1)).complete(upload)
        await world.apply(deleted(upload))
        await world.purge_all()
        assert await world.status(upload) is Status.COMPLETING
        await world.run_finishing_job()
        assert await world.status(upload) is Status.ABORTED
        await world.purge_all()
        assert upload.s3_key not in world.memory.objects
        assert upload.s3_upload_id not in world.memory.multiparts
        assert await world.names(upload) == ["upload.v1.UploadStarted", "upload.v1.UploadAborted"]


async def test_deletion_and_complete_at_once_leave_no_object(world: World) -> None:
    for _ in range(10):
        upload = await world.sent()
        await asyncio.gather(world.complete(upload), world.apply(deleted(upload)), return_exceptions=True)
        await world.run_finishing_job()
        await world.pool.execute("UPDATE purges SET next_at = now()")
        await world.purge_all()
        assert upload.s3_key not in world.memory.objects


async def test_a_purge_that_dies_is_taken_up_by_the_next_process(world: World) -> None:
    upload = await completed(world)
    await world.apply(told(VideoRejected, upload))
    [claimed] = await claim_purges(world.begin, "dies")
    assert await claim_purges(world.begin, "too early") == []
    await world.pool.execute("UPDATE purges SET lease_until = now()")
    [again] = await claim_purges(world.begin, "next")
    assert (again.purge_id, again.fence, again.attempts) == (claimed.purge_id, claimed.fence + 1, 2)
    await purge(world.begin, world.objects, again)
    await purge(world.begin, world.objects, claimed)
    assert await world.purges() == []
    assert world.memory.objects == {}


async def test_each_upload_that_ended_is_told_once_as_which_it_is_counted(world: World) -> None:
    expired, lost, aborted = [await world.sent() for _ in range(3)]
    whole = await completed(world)
    await world.complete(whole)
    await world.age(expired, minutes=61)
    await expire_uploads(world.begin)
    await world.memory.abort_multipart(lost.s3_key, lost.s3_upload_id)
    with pytest.raises(UploadNotActive):
        await world.complete(lost)
    await world.abort(aborted)
    await world.purge_all()
    await world.apply(told(VideoRejected, whole), deleted(whole))
    await world.purge_all()
    ends = [(await world.names(upload))[1] for upload in (whole, aborted, expired, lost)]
    assert ends == [f"upload.v1.Upload{end}" for end in ("Completed", "Aborted", "Expired", "Failed")]
    assert [len(await world.names(upload)) for upload in (aborted, expired, lost)] == [2, 2, 2]


async def test_events_about_unknown_videos_are_nothing(world: World) -> None:
    stranger = str(new_id())
    await world.apply(
        VideoRejected(video_id=stranger, upload_id=stranger, generation=1),
        TranscodeCompleted(video_id=stranger, generation=1),
        VideoRetryRequested(video_id=stranger, upload_id=stranger, generation=1),
    )
    assert await world.purges() == []


async def test_times_are_kept_in_utc(world: World) -> None:
    upload = await completed(world)
    read = await world.read(upload)
    assert read.original_expires_at is not None
    assert abs(read.original_expires_at - datetime.now(UTC) - WEEK) < timedelta(minutes=1)
