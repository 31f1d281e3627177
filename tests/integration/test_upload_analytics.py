"""What whoever analyses the product's use learns of uploads: each step once, with the change that it tells of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, timedelta

import pytest
from upload_world import FILE_BYTES, LAST_UPLOAD_ENDS, Crash, Fuse, MakeScratch, World, fused, open_world

from nextplay.analytics.v1 import analytics_events_pb2 as analytics
from services.upload.domain.upload import Status, Upload
from services.upload.fakes import MemoryObjects
from services.upload.usecases import purging
from services.upload.usecases.ending import expire_uploads


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


async def nothing(world: World, upload: Upload) -> None:
    """It stays as it is."""


async def sign(world: World, upload: Upload) -> None:
    await world.send(upload, 1)
    await world.send(upload, 1, 2)


async def complete(world: World, upload: Upload) -> None:
    await world.send(upload)
    await asyncio.gather(*(world.complete(upload) for _ in range(3)))


async def abort(world: World, upload: Upload) -> None:
    for _ in range(2):
        await world.abort(upload)


async def expire(world: World, upload: Upload) -> None:
    await world.age(upload, minutes=61)
    await asyncio.gather(*(expire_uploads(world.begin) for _ in range(2)))


async def lose_parts(world: World, upload: Upload) -> None:
    await world.objects.abort_multipart(upload.s3_key, upload.s3_upload_id)
    await world.pool.execute("UPDATE uploads SET status = 'COMPLETING', completing_at = now()")
    await asyncio.gather(*(world.run_finishing_job(after_seconds=-1) for _ in range(2)))


async def delete_video(world: World, upload: Upload) -> None:
    async with world.begin() as tx:
        await purging.forget_video(tx, upload.video_id, upload.user_id, LAST_UPLOAD_ENDS)


Act = Callable[[World, Upload], Awaitable[None]]
# One row for each status at least: how an upload gets there, and what is told on the way.
STEPS: list[tuple[Act, Status, list[str]]] = [
    (nothing, Status.INITIATED, ["UploadInitiated"]),
    (sign, Status.IN_PROGRESS, ["UploadInitiated", "FirstPartSigned"]),
    (complete, Status.COMPLETED, ["UploadInitiated", "FirstPartSigned", "UploadCompleted"]),
    (abort, Status.ABORTED, ["UploadInitiated", "UploadAborted"]),
    (delete_video, Status.ABORTED, ["UploadInitiated", "UploadAborted"]),
    (expire, Status.EXPIRED, ["UploadInitiated", "UploadExpired"]),
    (lose_parts, Status.FAILED, ["UploadInitiated", "UploadFailed"]),
]


@pytest.mark.parametrize(("act", "status", "steps"), STEPS)
async def test_each_step_is_told_once(world: World, act: Act, status: Status, steps: list[str]) -> None:
    upload = await world.initiate()
    await act(world, upload)
    assert await world.status(upload) is status
    assert await world.steps(upload) == steps


def test_every_status_is_among_the_steps() -> None:
    """COMPLETING alone is no step of the user's: it is ours, and ends in another."""
    assert {status for _, status, _ in STEPS} == set(Status) - {Status.COMPLETING}


async def test_a_try_that_dies_anywhere_tells_no_step_twice(world: World) -> None:
    whole = Fuse()
    await fused(world, whole).complete(await world.sent(file_size_bytes=100))
    for at, step in enumerate(whole.steps, start=1):
        upload = await world.sent(file_size_bytes=100)
        with pytest.raises(Crash):
            await fused(world, Fuse(at)).complete(upload)
        await world.complete(upload)
        assert await world.steps(upload) == ["UploadInitiated", "FirstPartSigned", "UploadCompleted"], step


async def test_the_steps_say_how_much_and_how_long_and_nothing_that_the_user_wrote(world: World) -> None:
    upload = await world.initiate(title="Secret title", filename="secret.mp4", fingerprint="secret-print")
    await world.age(upload, minutes=5)
    await complete(world, upload)
    told = [event for event in await world.events(upload) if event.DESCRIPTOR.file.package.endswith("analytics.v1")]
    initiated, signed, completed = told
    assert isinstance(initiated, analytics.UploadInitiated)
    assert isinstance(signed, analytics.FirstPartSigned)
    assert isinstance(completed, analytics.UploadCompleted)
    assert (initiated.size_bytes, initiated.content_type, initiated.generation) == (FILE_BYTES, "video/mp4", 1)
    assert initiated.initiated_at.ToDatetime(UTC) == upload.created_at
    five_minutes = timedelta(minutes=5) / timedelta(milliseconds=1)
    assert five_minutes <= signed.duration_ms <= completed.duration_ms < 2 * five_minutes
    for event in told:
        assert b"ecret" not in event.SerializeToString()


async def test_a_failure_says_its_reason(world: World) -> None:
    assert isinstance(world.objects, MemoryObjects)
    upload = await world.initiate()
    await lose_parts(world, upload)
    failed = (await world.events(upload))[-1]
    assert isinstance(failed, analytics.UploadFailed)
    assert failed.code == "MULTIPART_LOST"
