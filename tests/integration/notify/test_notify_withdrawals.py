"""What is taken back is not sent from that moment on, however much it is, and no transaction cancels it all at once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from notify_world import OWNER, add_device, apply, claimed, finish, published

from chassis.clock import utc_now
from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import UserUnfollowed, VideoDeleted, VideoHidden
from services.notify.domain.delivery import Gone, Push, Tried
from services.notify.domain.device import Address, Device, Vendor
from services.notify.domain.notification import Channel, Kind
from services.notify.domain.preferences import Preferences
from services.notify.domain.turns import Rooms
from services.notify.domain.webhooks import Endpoint
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.usecases import deliveries, devices, fanouts, webhook_deliveries, webhooks, withdrawals
from services.notify.usecases.preferences import replace_preferences

MANY = 5_000
ROOM_FOR_ONE = Rooms(1, {}, 1, {}, 1)


@pytest.fixture
async def alice(pool: Pool) -> UUID:
    """Somebody with a phone."""
    user_id = uuid4()
    await add_device(pool, user_id, "fcm")
    return user_id


async def tell_many(pool: Pool, begin: Begin, video_id: UUID, *followers: UUID) -> None:
    """To the first follower, on a page of their own: one delivery as a page writes it, and so many others like it."""
    await apply(begin, published(video_id))
    await fanouts.tell_followers(begin, FakeFollowers(followers, page_size=1), await claimed(begin))
    await pool.execute(
        """
        INSERT INTO deliveries (
            delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host
        )
        SELECT gen_random_uuid(), gen_random_uuid(), user_id, kind, video_id, actor_user_id, device_id, vendor, host
        FROM deliveries CROSS JOIN generate_series(2, $1::int)
        """,
        MANY,
    )


async def count(pool: Pool, status: str) -> int:
    number: int = await pool.fetchval("SELECT count(*) FROM deliveries WHERE status = $1", status)
    return number


async def is_sent(pool: Pool, begin: Begin) -> bool:
    """Whether the real one is sent now, if its turn comes before it is cancelled."""
    await pool.execute(
        "UPDATE deliveries SET priority = 1, status = 'PENDING', ended_at = NULL "
        "WHERE notification_id IN (SELECT notification_id FROM notifications)"
    )
    async with begin() as tx:
        [delivery], _ = await tx.store.deliveries.claim("fcm", "test", 30.0, ROOM_FOR_ONE, "")
        return isinstance(await tx.store.deliveries.prepare(delivery), Push)


async def mute(begin: Begin, user_id: UUID) -> None:
    await replace_preferences(begin, user_id, Preferences(frozenset(), frozenset({OWNER})))


async def switch_off(begin: Begin, user_id: UUID) -> None:
    """And on again, so that only what was withdrawn is not sent."""
    disabled = frozenset({(Kind.VIDEO_PUBLISHED, Channel.MOBILE_PUSH)})
    await replace_preferences(begin, user_id, Preferences(disabled, frozenset()))
    await replace_preferences(begin, user_id, Preferences(frozenset(), frozenset()))


TAKEN_BACK: dict[str, Callable[[Begin, str, UUID], Awaitable[None]]] = {
    "hidden": lambda begin, video_id, _: apply(begin, VideoHidden(video_id=video_id, user_id=str(OWNER))),
    "deleted": lambda begin, video_id, _: apply(begin, VideoDeleted(video_id=video_id, user_id=str(OWNER))),
    "unfollowed": lambda begin, _, user_id: apply(
        begin, UserUnfollowed(user_id=str(user_id), followed_user_id=str(OWNER))
    ),
    "muted": lambda begin, _, user_id: mute(begin, user_id),
    "switched off": lambda begin, _, user_id: switch_off(begin, user_id),
}


@pytest.mark.parametrize("how", TAKEN_BACK)
async def test_what_is_taken_back_is_cancelled_in_portions_and_not_sent_in_the_meantime(
    pool: Pool, begin: Begin, alice: UUID, how: str
) -> None:
    video_id = uuid4()
    await tell_many(pool, begin, video_id, alice)
    assert await is_sent(pool, begin), "it would be sent"
    await TAKEN_BACK[how](begin, str(video_id), alice)
    at_once = withdrawals.CANCELLED_AT_ONCE
    assert await count(pool, "CANCELLED") == at_once, "the transaction that takes it back cancels no more than this"
    assert not await is_sent(pool, begin)
    portions = 0
    while left := await withdrawals.claim_withdrawals(begin, "test"):
        before = await count(pool, "CANCELLED")
        for withdrawal in left:
            await withdrawals.cancel_what_is_left(begin, withdrawal)
        assert await count(pool, "CANCELLED") - before <= at_once
        portions += 1
    assert (await count(pool, "CANCELLED"), portions) == (MANY, MANY // at_once)
    assert await pool.fetchval("SELECT count(*) FROM withdrawals") == 0


async def cancel_all(pool: Pool, begin: Begin) -> int:
    """Do what `serve` does until nothing is left, and say how many that were at most in one transaction."""
    most = 0
    while left := await withdrawals.claim_withdrawals(begin, "test"):
        for withdrawal in left:
            before = await pool.fetchval(ALL_CANCELLED)
            await withdrawals.cancel_what_is_left(begin, withdrawal)
            most = max(most, await pool.fetchval(ALL_CANCELLED) - before)
    return most


ALL_CANCELLED = (
    "SELECT (SELECT count(*) FROM deliveries WHERE status = 'CANCELLED') "
    "+ (SELECT count(*) FROM webhook_deliveries WHERE status = 'CANCELLED')"
)


async def remove(begin: Begin, device: Device) -> None:
    await devices.remove_device(begin, device.device_id, device.user_id)


async def move(begin: Begin, device: Device) -> None:
    await devices.register_device(begin, Device(uuid4(), uuid4(), device.address))


async def be_gone(begin: Begin, device: Device) -> None:
    """What the vendor says of the first push to it."""
    async with begin() as tx:
        [claim], _ = await tx.store.deliveries.claim("fcm", "test", 30.0, ROOM_FOR_ONE, "")
    due = await deliveries.look_again(begin, claim)
    assert due
    await deliveries.write_down(begin, due, Tried(Gone("UNREGISTERED"), True))


@pytest.mark.parametrize("end", [remove, move, be_gone])
async def test_what_waits_for_a_device_that_ends_is_cancelled_in_portions_and_not_sent_when_it_comes_back(
    pool: Pool, begin: Begin, end: Callable[[Begin, Device], Awaitable[None]]
) -> None:
    device = Device(uuid4(), uuid4(), Address(Vendor.FCM, "a token", "push.example.com"))
    await devices.register_device(begin, device)
    await tell_many(pool, begin, uuid4(), device.user_id)
    assert await is_sent(pool, begin), "it would be sent"
    await pool.execute("UPDATE deliveries SET lease_owner = NULL, lease_until = NULL")
    await pool.execute("UPDATE devices SET next_push_at = now() - interval '1 day'")
    await end(begin, device)
    at_once = withdrawals.CANCELLED_AT_ONCE
    assert await count(pool, "CANCELLED") <= at_once, "the transaction that ends it cancels no more than this"
    await devices.register_device(begin, Device(device.device_id, device.user_id, replace(device.address, value="new")))
    await pool.execute("UPDATE deliveries SET next_at = now()")
    assert not await is_sent(pool, begin)
    assert await cancel_all(pool, begin) == at_once
    assert (await count(pool, "PENDING"), await pool.fetchval("SELECT count(*) FROM withdrawals")) == (0, 0)


async def test_what_waits_for_an_endpoint_that_is_disabled_is_cancelled_in_portions_and_not_sent_when_it_is_enabled(
    pool: Pool, begin: Begin
) -> None:
    owner, webhook_id = uuid4(), uuid4()
    endpoint = Endpoint("https://example.com/hooks", "example.com", [], "")
    async with begin() as tx:
        await webhooks.create(tx, webhook_id, owner, endpoint, b"sealed")
    await pool.execute(
        """
        INSERT INTO webhook_deliveries (delivery_id, webhook_id, user_id, host, event_id, event_type, payload)
        SELECT gen_random_uuid(), $1, $2, 'example.com', gen_random_uuid(), 'video.ready', '{}'
        FROM generate_series(1, $3::int)
        """,
        webhook_id,
        owner,
        MANY,
    )
    claims, _ = await webhook_deliveries.claim(begin, "one", Rooms(MANY, {}, MANY, {}, MANY), "")
    for enabled in (False, True):
        async with begin() as tx:
            await webhooks.replace(tx, webhook_id, owner, endpoint, enabled=enabled)
        assert set(await webhook_deliveries.look_again(begin, claims)) == {None}
    at_once = withdrawals.CANCELLED_AT_ONCE
    assert await pool.fetchval(ALL_CANCELLED) == at_once, "the transaction that disables it cancels no more than this"
    async with begin() as tx:
        await webhooks.test(tx, uuid4(), webhook_id, owner, utc_now())
    assert await cancel_all(pool, begin) == at_once
    assert await pool.fetchval(ALL_CANCELLED) == MANY
    [again], _ = await webhook_deliveries.claim(begin, "one", ROOM_FOR_ONE, "")
    [dispatch] = await webhook_deliveries.look_again(begin, [again])
    assert dispatch, "what came after it was enabled again is sent"
    assert dispatch.event_type == "webhook.test"


async def test_little_that_is_taken_back_leaves_nothing_to_be_done(pool: Pool, begin: Begin, alice: UUID) -> None:
    video_id = uuid4()
    await apply(begin, published(video_id))
    await fanouts.tell_followers(begin, FakeFollowers([alice]), await claimed(begin))
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(OWNER)))
    assert await count(pool, "CANCELLED") == 1
    assert await withdrawals.claim_withdrawals(begin, "test") == []


async def test_a_video_that_is_shown_again_is_told_to_the_rest_while_the_first_are_still_taken_back(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    video_id, bob = uuid4(), uuid4()
    await add_device(pool, bob, "apns")
    await tell_many(pool, begin, video_id, alice, bob)
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(OWNER)), published(video_id))
    await finish(begin, FakeFollowers([alice, bob]))
    while left := await withdrawals.claim_withdrawals(begin, "test"):
        for withdrawal in left:
            await withdrawals.cancel_what_is_left(begin, withdrawal)
    async with begin() as tx:
        [delivery], _ = await tx.store.deliveries.claim("apns", "test", 30.0, ROOM_FOR_ONE, "")
        assert isinstance(await tx.store.deliveries.prepare(delivery), Push)
    assert (await count(pool, "CANCELLED"), await count(pool, "PENDING")) == (MANY, 1)


async def test_a_claim_of_a_withdrawal_that_was_lost_cancels_nothing(pool: Pool, begin: Begin, alice: UUID) -> None:
    await tell_many(pool, begin, uuid4(), alice)
    await apply(begin, UserUnfollowed(user_id=str(alice), followed_user_id=str(OWNER)))
    [slow] = await withdrawals.claim_withdrawals(begin, "slow")
    await pool.execute("UPDATE withdrawals SET lease_until = now()")
    [quick] = await withdrawals.claim_withdrawals(begin, "quick")
    before = await count(pool, "CANCELLED")
    await withdrawals.cancel_what_is_left(begin, slow)
    assert await count(pool, "CANCELLED") == before
    await withdrawals.cancel_what_is_left(begin, quick)
    assert await count(pool, "CANCELLED") == before + withdrawals.CANCELLED_AT_ONCE
