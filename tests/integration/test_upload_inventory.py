"""What the bucket holds, listed: the same by the real S3 as by the one in memory, and the real one reconciled."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest
from upload_world import WEEK, MakeScratch, open_world

from chassis.clock import new_id
from chassis.object_store import ObjectStore, StoredObject
from services.upload.domain.findings import Held
from services.upload.domain.upload import Status, original_key
from services.upload.fakes import MemoryInventory
from services.upload.inventory import BucketInventory
from services.upload.ports import Inventory
from services.upload.usecases.reconciling import Care, Reconciler, reconcile

TYPE = "video/mp4"
EVERYTHING = ["lost_multipart", "lost_original", "unknown_multipart", "unknown_object"]


@dataclass(frozen=True)
class Shelf:
    """A store that holds a few things below a prefix, listed two at a time."""

    inventory: Inventory
    prefix: str
    keys: list[str]
    multiparts: set[str]


@pytest.fixture(params=["s3", "memory"])
async def shelf(
    request: pytest.FixtureRequest, scratch_schema: MakeScratch, object_store: ObjectStore
) -> AsyncIterator[Shelf]:
    prefix, other = f"uploads/{new_id()}/", f"uploads/{new_id()}/"
    keys = sorted(f"{prefix}{new_id()}/{new_id()}/original.mp4" for _ in range(5))
    async with open_world(scratch_schema) as world:
        inventory: Inventory = MemoryInventory(world.memory, page_size=2)
        if request.param == "s3":
            world.objects, inventory = object_store, BucketInventory(object_store, page_size=2)
        multiparts = {await world.objects.create_multipart(key, TYPE) for key in keys}
        await world.objects.create_multipart(f"{other}stray", TYPE)
        for key in [*keys, f"{other}stray"]:
            if request.param == "s3":
                await object_store.put(key, b"x", content_type=TYPE)
            else:
                world.memory.objects[key] = StoredObject(key, 1, "etag", TYPE)
        yield Shelf(inventory, prefix, keys, multiparts)
        for used in (prefix, other):
            await world.objects.delete_prefix(used)
            async for multipart in world.objects.list_multiparts(used):
                await world.objects.abort_multipart(multipart.key, multipart.s3_upload_id)


async def test_a_listing_has_pages_that_can_be_taken_up_anywhere(shelf: Shelf) -> None:
    for list_page, wanted in (
        (shelf.inventory.list_objects, [(key, "") for key in shelf.keys]),
        (shelf.inventory.list_multiparts, None),
    ):
        held, position = list[Held](), ""
        while True:
            page = await list_page(shelf.prefix, position)
            assert len(page.held) <= 2
            held += page.held
            if page.next is None:
                break
            position = page.next
        if wanted is None:
            assert {one.s3_upload_id for one in held} == shelf.multiparts
            assert sorted(one.s3_key for one in held) == shelf.keys
        else:
            assert [(one.s3_key, one.s3_upload_id) for one in held] == wanted
        assert all(one.age >= timedelta(seconds=-1) for one in held)


async def test_one_object_is_found_and_deleted_and_no_other(shelf: Shelf) -> None:
    first, *others = shelf.keys
    found = await shelf.inventory.find_object(first)
    assert found is not None
    assert found.s3_key == first
    for _ in range(2):
        await shelf.inventory.delete_object(first)
    assert await shelf.inventory.find_object(first) is None
    assert (await shelf.inventory.list_objects(shelf.prefix, "")).held[0].s3_key == others[0]


async def test_a_young_age_is_told_by_the_real_s3s_own_clock(object_store: ObjectStore) -> None:
    key = original_key(new_id(), new_id(), new_id(), TYPE)
    await object_store.put(key, b"x", content_type=TYPE)
    found = await BucketInventory(object_store).find_object(key)
    await object_store.delete_prefix(key)
    assert found is not None
    assert timedelta(seconds=-1) <= found.age < timedelta(minutes=5)


async def test_the_real_s3_and_the_real_tables_are_reconciled(
    scratch_schema: MakeScratch, object_store: ObjectStore
) -> None:
    user_id = new_id()
    prefix = f"uploads/{user_id}/"
    async with open_world(scratch_schema) as world, httpx.AsyncClient(timeout=20) as http:
        world.objects = object_store
        # S3's clock can't be turned, so what is young enough to be spared is set to nothing.
        care = Care(100, min_age=timedelta(seconds=-60), reported_for=timedelta(seconds=-60))
        inventory = BucketInventory(object_store, page_size=2)
        run = Reconciler(world.begin, object_store, inventory, WEEK, care, prefix)
        complete, lost = [await world.initiate(user_id, file_size_bytes=100) for _ in range(2)]
        for upload in (complete, lost):
            url = await object_store.presign_part(
                upload.s3_key, upload.s3_upload_id, 1, content_length=100, content_type=TYPE, expires_seconds=60
            )
            assert (await http.put(url.url, content=b"x" * 100, headers=dict(url.headers))).status_code == 200
            assert (await world.complete(upload)).upload.status is Status.COMPLETED
        await object_store.delete_prefix(lost.prefix)
        active, parts_lost = [await world.initiate(user_id, file_size_bytes=100) for _ in range(2)]
        await object_store.abort_multipart(parts_lost.s3_key, parts_lost.s3_upload_id)
        unknown = original_key(user_id, new_id(), new_id(), TYPE)
        await object_store.put(unknown, b"x", content_type=TYPE)
        await object_store.create_multipart(unknown, TYPE)
        spared = replace(run, care=Care(100))
        assert await reconcile(spared) == {}, "all of it is younger than an hour"
        report_only = replace(run, care=replace(care, reported_for=timedelta(hours=1)))
        assert sorted(await reconcile(report_only)) == EVERYTHING
        assert await reconcile(run) == {"given_up": 1, "failed": 1, "deleted": 1, "aborted": 1}
        held = [one.s3_key for one in (await inventory.list_objects(prefix, "")).held]
        assert held == [complete.s3_key]
        multiparts = [one.s3_upload_id for one in (await inventory.list_multiparts(prefix, "")).held]
        assert multiparts == [active.s3_upload_id]
        await object_store.delete_prefix(prefix)
        await object_store.abort_multipart(active.s3_key, active.s3_upload_id)
