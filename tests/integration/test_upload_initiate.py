"""Starting uploads: the limit exact, ids stable, and nothing left behind by whoever dies or is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from google.protobuf.message import Message
from upload_world import LIMITS, Crash, Fuse, MakeScratch, World, fused, open_world

from chassis.clock import new_id
from chassis.errors import Failure, Unavailable
from chassis.events import EventMeta
from chassis.postgres import Pool
from nextplay.upload.v1.upload_events_pb2 import UploadStarted
from services.upload.domain.errors import RateLimited, UploadNotAllowed, VideoNotFound
from services.upload.domain.upload import Status, Upload
from services.upload.fakes import MemoryCatalog, MemoryObjects
from services.upload.ports import Claim, Delivered
from services.upload.usecases.purging import forget_video


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


async def uses(world: World, user_id: UUID) -> tuple[int, int]:
    """How many uploads of the user count, and how many are held."""
    query = (
        "SELECT count(*) FILTER (WHERE held_until IS NULL), count(held_until) FROM rate_limit_uses WHERE user_id = $1"
    )
    row = await world.pool.fetchrow(query, user_id)
    assert row is not None
    return row[0], row[1]


async def uploads_of(world: World, user_id: UUID) -> int:
    count: int = await world.pool.fetchval("SELECT count(*) FROM uploads WHERE user_id = $1", user_id)
    return count


async def test_an_upload_starts_with_a_video_and_a_multipart_upload(world: World) -> None:
    upload = await world.initiate(fingerprint="f")
    assert upload.status is Status.INITIATED
    assert upload.expires_at - upload.created_at == timedelta(hours=1)
    assert (upload.generation, upload.fingerprint) == (1, "f")
    assert world.memory.multiparts[upload.s3_upload_id].key == upload.s3_key
    assert world.told.videos[upload.video_id].status == "UPLOADING"
    assert await world.names(upload) == ["upload.v1.UploadStarted"]
    assert await uses(world, upload.user_id) == (1, 0)


async def test_fifty_uploads_at_once_make_ten(world: World) -> None:
    user_id = new_id()
    outcomes = await asyncio.gather(*(world.initiate(user_id) for _ in range(50)), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    assert len(refused) == 40, outcomes
    assert await uploads_of(world, user_id) == 10
    assert await uses(world, user_id) == (10, 0)
    assert len(world.memory.multiparts) == len(world.told.videos) == 10
    with pytest.raises(RateLimited) as raised:
        await world.initiate(user_id)
    assert raised.value.retry_after is not None
    assert 3500 < raised.value.retry_after <= 3600
    assert str(raised.value).startswith("10 uploads were started in the last 60 minutes, which is the limit;")


async def test_the_limit_of_one_user_is_nobody_elses(world: World) -> None:
    limits = replace(LIMITS, initiates=1)
    await world.initiate(limits=limits)
    await world.initiate(limits=limits)


async def test_the_window_slides(world: World) -> None:
    user_id, limits = new_id(), replace(LIMITS, initiates=2)
    for _ in range(2):
        await world.initiate(user_id, limits=limits)
    await world.pool.execute(
        "UPDATE rate_limit_uses SET used_at = used_at - interval '50 minutes' WHERE use_id = "
        "(SELECT use_id FROM rate_limit_uses WHERE user_id = $1 ORDER BY used_at LIMIT 1)",
        user_id,
    )
    with pytest.raises(RateLimited) as raised:
        await world.initiate(user_id, limits=limits)
    assert raised.value.retry_after is not None
    assert 590 < raised.value.retry_after <= 600
    await world.pool.execute("UPDATE rate_limit_uses SET used_at = used_at - interval '10 minutes'")
    await world.initiate(user_id, limits=limits)


async def test_only_accepted_uploads_count(world: World) -> None:
    user_id = new_id()
    for _ in range(12):
        with pytest.raises(VideoNotFound):
            await world.initiate(user_id, video_id=new_id())
    assert await uses(world, user_id) == (0, 0)
    assert world.memory.multiparts == {}
    await world.initiate(user_id)


class Refusing(MemoryCatalog):
    """A catalog whose claims fail."""

    failure: Failure = Unavailable()

    async def claim_video(self, claim: Claim) -> int:
        raise self.failure


@pytest.mark.parametrize("failure", [Unavailable(), UploadNotAllowed()])
async def test_a_refused_claim_leaves_nothing_behind(world: World, failure: Failure) -> None:
    catalog = Refusing()
    catalog.failure = failure
    world.catalog = catalog
    user_id = new_id()
    with pytest.raises(type(failure)):
        await world.initiate(user_id)
    assert world.memory.multiparts == {}
    assert (await uses(world, user_id), await uploads_of(world, user_id)) == ((0, 0), 0)


async def test_the_same_ids_again_make_the_same_upload(world: World) -> None:
    user_id, upload_id = new_id(), new_id()
    first = await world.initiate(user_id, upload_id=upload_id)
    again = await world.initiate(user_id, upload_id=upload_id, video_id=first.video_id)
    assert (again.upload_id, again.s3_upload_id, again.generation) == (upload_id, first.s3_upload_id, 1)
    assert list(world.memory.multiparts) == [first.s3_upload_id]
    assert await uses(world, user_id) == (1, 0)
    assert await world.names(first) == ["upload.v1.UploadStarted"]


async def test_a_process_that_dies_at_any_step_leaves_room_for_the_next_try(world: World) -> None:
    """The next try has the same ids, as with an Idempotency-Key."""
    counted = Fuse()
    await fused(world, counted).initiate()
    assert len(counted.steps) > 10
    for at in range(1, len(counted.steps) + 1):
        user_id, upload_id, video_id = new_id(), new_id(), new_id()
        world.told.videos.clear()
        await world.told.claim_video(Claim(video_id, new_id(), user_id, False, "", "", "", "public"))
        world.told.videos[video_id].let_go()
        with pytest.raises(Crash) as crash:
            await fused(world, Fuse(at)).initiate(user_id, upload_id=upload_id, video_id=video_id)
        upload = await world.initiate(user_id, upload_id=upload_id, video_id=video_id)
        assert (upload.upload_id, upload.generation) == (upload_id, 2), crash.value
        assert await world.names(upload) == ["upload.v1.UploadStarted"], crash.value
        assert await uses(world, user_id) == (1, 0), crash.value
        assert upload.s3_upload_id in world.memory.multiparts, crash.value
        await world.send(upload)
        await world.complete(upload)
        assert await world.status(upload) is Status.COMPLETED, crash.value


async def test_a_use_that_was_left_behind_lapses(world: World) -> None:
    user_id, limits = new_id(), replace(LIMITS, initiates=1)
    with pytest.raises(Crash):
        await fused(world, Fuse(4)).initiate(user_id, limits=limits)
    assert await uses(world, user_id) == (0, 1)
    with pytest.raises(RateLimited) as raised:
        await world.initiate(user_id, limits=limits)
    assert raised.value.retry_after is not None
    assert raised.value.retry_after <= 60
    await world.pool.execute("UPDATE rate_limit_uses SET held_until = held_until - interval '60 seconds'")
    await world.initiate(user_id, limits=limits)
    assert await uses(world, user_id) == (1, 0)


class Slow(MemoryObjects):
    """S3 takes longer than a use is held."""

    pool: Pool

    async def create_multipart(self, key: str, content_type: str, *, part_checksums: bool = False) -> str:
        await self.pool.execute("UPDATE rate_limit_uses SET held_until = held_until - interval '60 seconds'")
        return await super().create_multipart(key, content_type, part_checksums=part_checksums)


async def test_an_upload_that_lost_its_place_while_it_started_is_not_accepted(world: World) -> None:
    slow = Slow()
    slow.pool = world.pool
    world.objects = slow
    user_id = new_id()
    with pytest.raises(RateLimited):
        await world.initiate(user_id)
    assert slow.multiparts == {}
    assert await uploads_of(world, user_id) == 0
    [video] = world.told.videos.values()
    assert (video.status, video.upload_id) == ("DRAFT", None), "the claim was not given back"


async def test_a_try_whose_claim_was_given_back_goes_on_with_a_new_one(world: World) -> None:
    slow, user_id, upload_id, video_id = Slow(), new_id(), new_id(), new_id()
    slow.pool = world.pool
    await world.told.claim_video(Claim(video_id, new_id(), user_id, False, "", "", "", "public"))
    world.told.videos[video_id].let_go()
    with pytest.raises(RateLimited):
        await replace(world, objects=slow).initiate(user_id, upload_id=upload_id, video_id=video_id)
    upload = await world.initiate(user_id, upload_id=upload_id, video_id=video_id)
    assert upload.generation == 3
    assert world.told.videos[video_id].status == "UPLOADING"


class Stalled(MemoryCatalog):
    """A catalog whose answer to a claim reaches a process that stands still until it may go on."""

    def __init__(self, catalog: MemoryCatalog) -> None:
        super().__init__(catalog.videos, catalog.claims, catalog.applied, catalog.delivered)
        self.claimed, self.go_on = asyncio.Event(), asyncio.Event()

    async def claim_video(self, claim: Claim) -> int:
        generation = await super().claim_video(claim)
        self.claimed.set()
        await self.go_on.wait()
        return generation


async def test_a_stalled_try_whose_claim_was_given_back_takes_nothing_from_the_next_try(world: World) -> None:
    user_id, upload_id, video_id = new_id(), new_id(), new_id()
    await world.told.claim_video(Claim(video_id, new_id(), user_id, False, "", "", "", "public"))
    world.told.videos[video_id].let_go()
    first, second = Stalled(world.told), Stalled(world.told)

    def start(catalog: Stalled) -> asyncio.Task[Upload]:
        return asyncio.create_task(
            replace(world, catalog=catalog).initiate(user_id, upload_id=upload_id, video_id=video_id)
        )

    stalled = start(first)
    await first.claimed.wait()
    world.told.videos[video_id].let_go()  # unstick-videos has asked, and upload knew of no such upload
    successor = start(second)
    await second.claimed.wait()
    first.go_on.set()
    with pytest.raises(RateLimited, match="lost its place"):
        await stalled
    second.go_on.set()
    upload = await successor
    assert upload.generation == world.told.videos[video_id].generation == 3
    await world.send(upload)
    assert (await world.complete(upload)).video_status == "UPLOADED"
    assert world.told.videos[video_id].status == "UPLOADED"


async def test_a_stalled_try_does_not_give_back_the_claim_that_the_next_try_goes_on_with(world: World) -> None:
    user_id, upload_id, video_id = new_id(), new_id(), new_id()
    await world.told.claim_video(Claim(video_id, new_id(), user_id, False, "", "", "", "public"))
    world.told.videos[video_id].let_go()
    first, second = Stalled(world.told), Stalled(world.told)

    def start(catalog: Stalled) -> asyncio.Task[Upload]:
        return asyncio.create_task(
            replace(world, catalog=catalog).initiate(user_id, upload_id=upload_id, video_id=video_id)
        )

    async with asyncio.timeout(20):
        stalled = start(first)
        await first.claimed.wait()
        successor = start(second)
        await second.claimed.wait()
        first.go_on.set()
        with pytest.raises(RateLimited, match="lost its place"):
            await stalled
        second.go_on.set()
        upload = await successor
    video = world.told.videos[video_id]
    assert video.upload_id == upload_id, "the claim was given back"
    assert (video.generation, video.status) == (upload.generation, "UPLOADING") == (2, "UPLOADING")


class Deaf(MemoryCatalog):
    """A catalog that takes claims and does not hear of starts: its consumer is behind."""

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        if isinstance(event, UploadStarted):
            raise Unavailable
        return await super().deliver(event, meta)


@pytest.mark.parametrize("at", range(1, 16))
async def test_an_upload_that_was_completed_counts_whoever_claims_its_video_meanwhile_and_dies(
    world: World, at: int
) -> None:
    world.catalog = Deaf()
    upload = await world.sent()
    with pytest.raises((Crash, UploadNotAllowed)):
        await fused(world, Fuse(at)).initiate(upload.user_id, video_id=upload.video_id)
    assert (await world.complete(upload)).video_status == "UPLOADED"
    assert world.told.videos[upload.video_id].status == "UPLOADED"


async def test_of_two_uploads_into_one_video_at_once_one_is_accepted(world: World) -> None:
    for _ in range(5):
        first = await world.initiate()
        video = world.told.videos[first.video_id]
        video.status = "PROCESSING_FAILED"
        outcomes = await asyncio.gather(
            *(world.initiate(first.user_id, video_id=first.video_id) for _ in range(2)), return_exceptions=True
        )
        query = "SELECT generation FROM uploads WHERE video_id = $1 AND status = 'INITIATED'"
        active = [row[0] for row in await world.pool.fetch(query, first.video_id)]
        assert active[-1] == video.generation == 2, outcomes
        assert sum(isinstance(outcome, UploadNotAllowed) for outcome in outcomes) == 1, outcomes
        assert all(not isinstance(o, BaseException) or isinstance(o, UploadNotAllowed) for o in outcomes), outcomes
        world.told.videos.clear()


async def test_a_deleted_video_takes_no_upload(world: World) -> None:
    first = await world.initiate()
    async with world.begin() as tx:
        await forget_video(tx, first.video_id, first.user_id, timedelta())
    world.told.videos[first.video_id].let_go()
    with pytest.raises(VideoNotFound):
        await world.initiate(first.user_id, video_id=first.video_id)
    await world.purge_all()
    assert world.memory.multiparts == {}
    assert await uses(world, first.user_id) == (1, 0)


async def test_a_deletion_at_the_same_time_leaves_no_upload_active(world: World) -> None:
    for _ in range(10):
        first = await world.initiate()
        world.told.videos[first.video_id].let_go()

        async def delete(video_id: UUID, user_id: UUID) -> None:
            async with world.begin() as tx:
                await forget_video(tx, video_id, user_id, timedelta())

        await asyncio.gather(
            world.initiate(first.user_id, video_id=first.video_id),
            delete(first.video_id, first.user_id),
            return_exceptions=True,
        )
        query = "SELECT status FROM uploads WHERE video_id = $1"
        assert {row[0] for row in await world.pool.fetch(query, first.video_id)} == {"ABORTED"}
        await world.purge_all()
        assert world.memory.multiparts == {}


class Silent(MemoryCatalog):
    """A catalog that takes claims and answers nothing else."""

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        raise Unavailable


async def test_a_silent_catalog_does_not_keep_an_upload_from_starting(world: World) -> None:
    world.catalog = Silent()
    upload = await world.initiate()
    assert await world.names(upload) == ["upload.v1.UploadStarted"]


async def test_the_specifications_call_of_the_limit_allows_ten(world: World) -> None:
    user_id = new_id()
    query = "SELECT allowed FROM check_rate_limit($1, 'upload_initiate', 10, '1 hour')"
    assert [await world.pool.fetchval(query, user_id) for _ in range(11)] == [True] * 10 + [False]
