"""What S3 holds against what the tables say: found, reported, and only then ended."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from upload_world import WEEK, Crash, Fuse, MakeScratch, World, fused, open_world, wrapped

from chassis.clock import new_id
from chassis.errors import Unavailable
from chassis.object_store import StoredObject
from nextplay.upload.v1.upload_events_pb2 import OriginalLost
from services.upload.domain.findings import Held
from services.upload.domain.upload import Status, Upload, original_key
from services.upload.fakes import MemoryInventory
from services.upload.reads import count_findings
from services.upload.usecases.ending import expire_uploads
from services.upload.usecases.reconciling import Care, Reconciler, TooManyFindings, reconcile

TYPE = "video/mp4"


@dataclass
class Bench:
    """A world, and the reconciler on it."""

    world: World
    run: Reconciler

    @property
    def inventory(self) -> MemoryInventory:
        assert isinstance(self.run.inventory, MemoryInventory)
        return self.run.inventory

    async def reconcile(self) -> dict[str, int]:
        return await reconcile(self.run)

    async def findings(self) -> list[str]:
        rows = await self.world.pool.fetch("SELECT kind FROM reconcile_findings ORDER BY kind")
        return [row["kind"] for row in rows]

    async def let_reports_age(self) -> None:
        """More than half an hour passes after the findings were reported."""
        await self.world.pool.execute(
            "UPDATE reconcile_findings SET first_seen_at = first_seen_at - interval '31 minutes'"
        )

    async def reconcile_twice(self) -> dict[str, int]:
        """What the second run did, half an hour after the first."""
        await self.reconcile()
        await self.let_reports_age()
        return await self.reconcile()

    async def completed(self, *, hours_ago: float = 2) -> Upload:
        upload = await self.world.sent(file_size_bytes=100)
        await self.world.complete(upload)
        await self.made(upload, hours_ago)
        return upload

    async def started(self, *, hours_ago: float = 2) -> Upload:
        """An upload under way that does not expire soon."""
        upload = await self.world.initiate()
        await self.made(upload, hours_ago)
        return upload

    async def made(self, upload: Upload, hours_ago: float) -> None:
        await self.world.pool.execute(
            "UPDATE uploads SET created_at = created_at - $2::interval, completed_at = completed_at - $2::interval "
            "WHERE upload_id = $1",
            upload.upload_id,
            timedelta(hours=hours_ago),
        )

    async def unknown_multipart(self) -> str:
        """As an initiate leaves it that died before its row was written."""
        return await self.world.objects.create_multipart(some_key(), TYPE)

    def unknown_object(self, key: str | None = None) -> str:
        key = key or some_key()
        self.world.memory.objects[key] = StoredObject(key, 1, "etag", TYPE)
        return key

    async def lose_original(self) -> Upload:
        upload = await self.completed()
        del self.world.memory.objects[upload.s3_key]
        return upload

    async def lose_multipart(self) -> Upload:
        upload = await self.started()
        del self.world.memory.multiparts[upload.s3_upload_id]
        return upload


def some_key() -> str:
    return original_key(new_id(), new_id(), new_id(), TYPE)


@pytest.fixture
async def bench(scratch_schema: MakeScratch) -> AsyncIterator[Bench]:
    async with open_world(scratch_schema) as world:
        yield Bench(world, Reconciler(world.begin, world.objects, MemoryInventory(world.memory), WEEK, Care(100)))


async def test_what_belongs_together_is_left_alone(bench: Bench) -> None:
    completed, started, completing = await bench.completed(), await bench.started(), await bench.started()
    await bench.world.pool.execute(
        "UPDATE uploads SET status = 'COMPLETING', completing_at = now() WHERE upload_id = $1", completing.upload_id
    )
    assert await bench.reconcile_twice() == {}
    assert set(bench.world.memory.objects) == {completed.s3_key}
    assert set(bench.world.memory.multiparts) == {started.s3_upload_id, completing.s3_upload_id}


async def test_the_first_run_reports_and_a_later_one_deletes(bench: Bench) -> None:
    key, multipart = bench.unknown_object(), await bench.unknown_multipart()
    assert await bench.reconcile() == {"unknown_object": 1, "unknown_multipart": 1}
    assert await bench.reconcile() == {}, "reported once, and not long enough ago to be ended"
    assert key in bench.world.memory.objects
    assert multipart in bench.world.memory.multiparts
    await bench.let_reports_age()
    assert await bench.reconcile() == {"deleted": 1, "aborted": 1}
    assert (bench.world.memory.objects, bench.world.memory.multiparts) == ({}, {})
    assert await bench.findings() == []


async def test_what_is_reported_is_counted_by_kind_until_it_is_ended(bench: Bench) -> None:
    bench.unknown_object()
    bench.unknown_object()
    await bench.lose_original()
    await bench.reconcile()
    assert await count_findings(bench.world.pool) == {"unknown_object": 2, "lost_original": 1}
    await bench.let_reports_age()
    await bench.reconcile()
    assert await count_findings(bench.world.pool) == {}


async def test_nothing_younger_than_an_hour_is_touched(bench: Bench) -> None:
    key, multipart = bench.unknown_object(), await bench.unknown_multipart()
    almost = timedelta(minutes=59, seconds=59)
    bench.inventory.ages |= {key: almost, multipart: almost}
    original, parts = await bench.completed(hours_ago=0.9), await bench.started(hours_ago=0.9)
    del bench.world.memory.objects[original.s3_key], bench.world.memory.multiparts[parts.s3_upload_id]
    assert await bench.reconcile_twice() == {}
    assert await bench.findings() == []


async def test_an_object_that_was_made_anew_since_the_report_is_not_deleted(bench: Bench) -> None:
    key = bench.unknown_object()
    await bench.reconcile()
    await bench.let_reports_age()
    bench.inventory.ages[key] = timedelta(minutes=1)
    assert await bench.reconcile() == {"resolved": 1}
    assert key in bench.world.memory.objects


async def test_what_is_known_again_since_the_report_is_kept(bench: Bench) -> None:
    upload, other = await bench.completed(), await bench.started()
    await bench.world.pool.execute("UPDATE uploads SET original_deleted_at = now()")
    await bench.world.pool.execute(
        "UPDATE uploads SET status = 'ABORTED', ended_at = now() WHERE upload_id = $1", other.upload_id
    )
    assert await bench.reconcile() == {"unknown_object": 1, "unknown_multipart": 1}
    await bench.world.pool.execute("UPDATE uploads SET original_deleted_at = NULL")
    await bench.world.pool.execute(
        "UPDATE uploads SET status = 'INITIATED', ended_at = NULL WHERE upload_id = $1", other.upload_id
    )
    await bench.let_reports_age()
    assert await bench.reconcile() == {"resolved": 2}
    assert upload.s3_key in bench.world.memory.objects
    assert other.s3_upload_id in bench.world.memory.multiparts


async def test_a_second_multipart_upload_under_a_known_key_is_unknown(bench: Bench) -> None:
    upload = await bench.started()
    left_behind = await bench.world.objects.create_multipart(upload.s3_key, TYPE)
    assert await bench.reconcile_twice() == {"aborted": 1}
    assert set(bench.world.memory.multiparts) == {upload.s3_upload_id} != {left_behind}


async def test_an_object_under_a_key_that_no_upload_has_is_deleted_alone(bench: Bench) -> None:
    kept = await bench.completed()
    bench.unknown_object("uploads/stray")
    bench.unknown_object(kept.s3_key + ".bak")
    bench.unknown_object("uploads/a/b/not-an-id/original.mp4")
    assert await bench.reconcile_twice() == {"deleted": 3}
    assert set(bench.world.memory.objects) == {kept.s3_key}


async def test_what_lies_outside_of_uploads_prefix_is_not_ours(bench: Bench) -> None:
    outputs = bench.unknown_object("videos/user/video/run/renditions/720p/video.mp4")
    foreign = await bench.world.objects.create_multipart("videos/user/video/run/preview.mp4", TYPE)
    assert await bench.reconcile_twice() == {}
    assert outputs in bench.world.memory.objects
    assert foreign in bench.world.memory.multiparts


async def test_a_lost_original_is_told_once_and_cannot_be_retried_from(bench: Bench) -> None:
    upload = await bench.lose_original()
    assert await bench.reconcile() == {"lost_original": 1}
    await bench.let_reports_age()
    assert await bench.reconcile() == {"given_up": 1}
    assert await bench.reconcile_twice() == {}
    [told] = [event for event in await bench.world.events(upload) if isinstance(event, OriginalLost)]
    assert (told.video_id, told.upload_id, told.generation) == (str(upload.video_id), str(upload.upload_id), 1)
    now = await bench.world.read(upload)
    assert now.status is Status.COMPLETED
    assert now.original_expires_at is not None
    assert now.original_expires_at <= now.read_at


async def test_an_original_that_is_found_again_is_not_given_up(bench: Bench) -> None:
    upload = await bench.lose_original()
    await bench.reconcile()
    bench.unknown_object(upload.s3_key)
    await bench.let_reports_age()
    assert await bench.reconcile() == {"resolved": 1}
    assert (await bench.world.read(upload)).original_expires_at > upload.read_at  # type: ignore[operator]


async def test_an_upload_whose_parts_are_lost_fails_with_its_reason(bench: Bench) -> None:
    upload = await bench.lose_multipart()
    assert await bench.reconcile_twice() == {"failed": 1}
    assert (await bench.world.read(upload)).failure_code == "MULTIPART_LOST"
    assert (await bench.world.names(upload))[-1] == "upload.v1.UploadFailed"


async def test_an_upload_whose_object_is_there_completes_instead(bench: Bench) -> None:
    upload = await bench.lose_multipart()
    bench.world.memory.objects[upload.s3_key] = StoredObject(upload.s3_key, upload.file_size_bytes, "etag", TYPE)
    assert await bench.reconcile_twice() == {"completed": 1}
    assert await bench.world.status(upload) is Status.COMPLETED


@pytest.mark.parametrize("page_size", [1, 2, 3])
async def test_a_bucket_of_many_pages_is_read_to_its_end(bench: Bench, page_size: int) -> None:
    bench.inventory.page_size = page_size
    kept = [await bench.completed() for _ in range(4)]
    for _ in range(4):
        bench.unknown_object()
        await bench.unknown_multipart()
    lost = [await bench.lose_original() for _ in range(4)]
    assert await bench.reconcile_twice() == {"deleted": 4, "aborted": 4, "given_up": len(lost)}
    assert set(bench.world.memory.objects) == {upload.s3_key for upload in kept}


async def test_an_emptied_bucket_is_noticed_for_every_row(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.upload.usecases.reconciling.AT_ONCE", 2)
    for _ in range(5):
        await bench.lose_original()
        await bench.lose_multipart()
    assert await bench.reconcile_twice() == {"given_up": 5, "failed": 5}


async def test_more_than_a_run_may_end_is_left_to_somebody_who_looks(bench: Bench) -> None:
    bench.run = replace(bench.run, care=Care(most=2))
    keys = {bench.unknown_object() for _ in range(3)}
    with pytest.raises(TooManyFindings, match="more than 2"):
        await bench.reconcile_twice()
    assert set(bench.world.memory.objects) == keys
    bench.run = replace(bench.run, care=Care(most=3))
    assert await bench.reconcile() == {"deleted": 3}


class Away(MemoryInventory):
    """Does not delete."""

    async def delete_object(self, s3_key: str) -> None:
        raise Unavailable


async def test_what_s3_does_not_delete_now_holds_up_nothing_and_is_deleted_later(bench: Bench) -> None:
    here, key = bench.run, bench.unknown_object()
    upload = await bench.lose_original()
    bench.run = replace(here, inventory=Away(bench.world.memory))
    assert await bench.reconcile_twice() == {"postponed": 1, "given_up": 1}
    bench.run = here
    assert await bench.reconcile() == {"deleted": 1}
    assert key not in bench.world.memory.objects
    assert (await bench.world.names(upload))[-1] == "upload.v1.OriginalLost"


async def test_a_run_ends_early_when_s3_is_away(bench: Bench) -> None:
    for _ in range(9):
        bench.unknown_object()
    bench.run = replace(bench.run, inventory=Away(bench.world.memory))
    assert await bench.reconcile_twice() == {"postponed": 3}


def dying(bench: Bench, fuse: Fuse) -> Reconciler:
    world = fused(bench.world, fuse)
    return replace(bench.run, begin=world.begin, objects=world.objects, inventory=wrapped(bench.run.inventory, fuse))


async def test_a_run_that_dies_at_any_step_is_taken_up_by_the_next(bench: Bench) -> None:
    kept = await bench.completed()

    async def make_trouble() -> tuple[Upload, Upload]:
        bench.unknown_object()
        await bench.unknown_multipart()
        return await bench.lose_original(), await bench.lose_multipart()

    async def make_old_and_new_trouble() -> list[tuple[Upload, Upload]]:
        old = await make_trouble()
        await bench.reconcile()
        await bench.let_reports_age()
        return [old, await make_trouble()]

    await make_old_and_new_trouble()
    counted = Fuse()
    await reconcile(dying(bench, counted))
    await bench.reconcile_twice()
    for at, step in enumerate(counted.steps, start=1):
        lost = await make_old_and_new_trouble()
        with pytest.raises(Crash):
            await reconcile(dying(bench, Fuse(at)))
        await bench.reconcile_twice()
        # One that died while it settled an upload has left that COMPLETING.
        await bench.world.run_finishing_job()
        assert set(bench.world.memory.objects) == {kept.s3_key}, step
        assert bench.world.memory.multiparts == {}, step
        for original, parts in lost:
            assert (await bench.world.names(original)).count("upload.v1.OriginalLost") == 1, step
            assert (await bench.world.names(parts)).count("upload.v1.UploadFailed") == 1, step
        assert await bench.findings() == [], step
        await bench.world.pool.execute("DELETE FROM outbox")
        await bench.world.pool.execute("DELETE FROM uploads WHERE upload_id <> $1", kept.upload_id)


async def test_a_run_goes_on_where_the_last_one_died(bench: Bench) -> None:
    bench.inventory.page_size = 1
    keys = sorted(bench.unknown_object() for _ in range(3))
    fuse = Fuse()
    await reconcile(dying(bench, fuse))
    await bench.world.pool.execute("DELETE FROM reconcile_findings")
    second = [at for at, step in enumerate(fuse.steps, start=1) if step == "before list_objects"][1]
    with pytest.raises(Crash):
        await reconcile(dying(bench, Fuse(second)))
    position = await bench.world.pool.fetchval("SELECT position FROM reconcile_walks WHERE walk = 'objects'")
    assert position == keys[0]
    again = Fuse()
    await reconcile(dying(bench, again))
    assert again.steps.count("before list_objects") == 2
    assert await bench.world.pool.fetchval("SELECT count(*) FROM reconcile_walks") == 0


async def test_two_runs_at_once_end_everything_once(bench: Bench) -> None:
    bench.inventory.page_size = 2
    kept, originals = await bench.completed(), [await bench.lose_original() for _ in range(3)]
    parts = [await bench.lose_multipart() for _ in range(3)]
    for _ in range(3):
        bench.unknown_object()
        await bench.unknown_multipart()
    for _ in range(2):
        await asyncio.gather(*(bench.reconcile() for _ in range(3)))
        await bench.let_reports_age()
    await asyncio.gather(*(bench.reconcile() for _ in range(3)))
    assert set(bench.world.memory.objects) == {kept.s3_key}
    assert bench.world.memory.multiparts == {}
    for upload, told in [*((one, "OriginalLost") for one in originals), *((one, "UploadFailed") for one in parts)]:
        assert (await bench.world.names(upload)).count(f"upload.v1.{told}") == 1
    assert await bench.findings() == []


async def test_uploads_under_way_lose_nothing_to_a_reconciler_that_runs_all_the_time(bench: Bench) -> None:
    """Whatever S3's clock says: the rows alone keep what is wanted."""
    bench.run = replace(bench.run, care=Care(100, min_age=timedelta(), reported_for=timedelta()))
    ended = asyncio.Event()

    async def always() -> None:
        while not ended.is_set():
            await bench.reconcile()

    async def one_after_the_other() -> list[Upload]:
        uploads = []
        for number in range(12):
            # Its row and its multipart upload become visible together: a young one is spared by its age alone.
            upload = await bench.world.sent()
            if number % 3 == 0:
                await bench.world.abort(upload)
            else:
                await bench.world.complete(upload)
                uploads.append(upload)
        return uploads

    # `initiate` makes the multipart upload before the row; the real age spares it, here none is told as old.
    bench.run = replace(bench.run, inventory=WithoutMultiparts(bench.world.memory))
    runner = asyncio.create_task(always())
    uploads = await one_after_the_other()
    ended.set()
    await runner
    for upload in uploads:
        assert await bench.world.status(upload) is Status.COMPLETED
        assert upload.s3_key in bench.world.memory.objects
        assert "upload.v1.OriginalLost" not in await bench.world.names(upload)


class WithoutMultiparts(MemoryInventory):
    """Whose multipart uploads are all too young."""

    def _held(self, s3_key: str, s3_upload_id: str) -> Held:
        return Held(s3_key, s3_upload_id, -timedelta(1) if s3_upload_id else timedelta(1))


async def test_an_upload_that_is_found_lost_while_it_expires_ends_once(bench: Bench) -> None:
    upload = await bench.lose_multipart()
    await bench.reconcile()
    await bench.let_reports_age()
    await bench.world.age(upload, hours=2)
    await asyncio.gather(bench.reconcile(), expire_uploads(bench.world.begin))
    names = await bench.world.names(upload)
    assert len({"upload.v1.UploadExpired", "upload.v1.UploadFailed"} & set(names)) == 1
