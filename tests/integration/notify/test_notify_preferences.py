"""Preferences and mutes, on the real tables: who is told nothing on which channel, and what is not delivered then."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from google.protobuf.message import Message
from notify_world import (
    OWNER,
    add_device,
    apply,
    came_to,
    claimed,
    deliveries,
    end_leases,
    finish,
    inbox,
    published,
    told,
)

from chassis.clock import utc_now
from chassis.errors import InvalidArgument
from chassis.leases import Leases
from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import UserUnfollowed, VideoDeleted, VideoHidden
from nextplay.notify.v1.notifications_service_pb2 import (
    GetPreferencesRequest,
    ListNotificationsRequest,
    Notification,
    Preference,
    ReplacePreferencesRequest,
)
from services.notify.domain.notification import Channel, Kind, to_followers
from services.notify.domain.turns import Rooms
from services.notify.domain.withdrawal import of_video
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.reads.watching import Watchers
from services.notify.servicer.inbox import Notifications
from services.notify.usecases import fanouts, withdrawals
from services.notify.usecases.outcomes import tell_webhook_disabled

CONTEXT = None


@pytest.fixture
def notifications(pool: Pool, begin: Begin) -> Notifications:
    return Notifications(pool, begin, Watchers(), b"key")


def off(kind: str, channel: str) -> Preference:
    return Preference(kind=Notification.Kind.Value(kind), channel=Preference.Channel.Value(channel), enabled=False)


async def replace(notifications: Notifications, *disabled: Preference, muted: UUID | None = None) -> None:
    request = ReplacePreferencesRequest(preferences=disabled, muted_author_ids=[str(muted)] if muted else [])
    await notifications.ReplacePreferences(request, CONTEXT)


async def count(notifications: Notifications) -> tuple[int, int]:
    """Listed and unread."""
    reply = await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)
    return len(reply.notifications), reply.unread_count


async def somebody_waits(pool: Pool) -> None:
    """Until one of the pool's connections waits for a lock that another holds."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
        "AND application_name = current_setting('application_name')"
    )
    async with asyncio.timeout(10):
        while not await pool.fetchval(waiting):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_without_preferences_every_kind_is_told_on_every_channel(
    notifications: Notifications, alice: UUID
) -> None:
    reply = await notifications.GetPreferences(GetPreferencesRequest(), CONTEXT)
    assert len(reply.preferences) == len(Kind) * len(Channel)
    assert all(preference.enabled for preference in reply.preferences)
    assert list(reply.muted_author_ids) == []


async def test_a_replacement_is_what_is_read_afterwards_and_nothing_else(
    notifications: Notifications, alice: UUID
) -> None:
    first, second = sorted([uuid4(), uuid4()], key=lambda author: author.int)
    await replace(notifications, off("video_failed", "in_app"), muted=uuid4())
    replaced = await notifications.ReplacePreferences(
        ReplacePreferencesRequest(
            preferences=[off("video_ready", "web_push")], muted_author_ids=[str(second), str(first), str(second)]
        ),
        CONTEXT,
    )
    got = await notifications.GetPreferences(GetPreferencesRequest(), CONTEXT)
    assert list(got.preferences) == list(replaced.preferences)
    assert list(got.muted_author_ids) == list(replaced.muted_author_ids) == [str(first), str(second)]
    assert [preference for preference in got.preferences if not preference.enabled] == [off("video_ready", "web_push")]


async def test_an_empty_replacement_tells_everything_again(notifications: Notifications, alice: UUID) -> None:
    await replace(notifications, off("video_ready", "in_app"), muted=uuid4())
    await replace(notifications)
    reply = await notifications.GetPreferences(GetPreferencesRequest(), CONTEXT)
    assert all(preference.enabled for preference in reply.preferences)
    assert list(reply.muted_author_ids) == []


@pytest.mark.parametrize(
    ("request_of", "field"),
    [
        (lambda _: {"preferences": [Preference(channel=Preference.in_app)]}, "preferences[0].kind"),
        (lambda _: {"preferences": [Preference(kind=99, channel=Preference.in_app)]}, "preferences[0].kind"),  # type: ignore[arg-type]
        (lambda _: {"preferences": [Preference(kind=Notification.video_ready)]}, "preferences[0].channel"),
        (lambda _: {"preferences": [off("video_ready", "in_app")] * 2}, "preferences[1]"),
        (lambda _: {"muted_author_ids": [str(uuid4()), "nonsense"]}, "muted_author_ids[1]"),
        (lambda _: {"muted_author_ids": [str(uuid4()) for _ in range(1_001)]}, "muted_author_ids"),
        (lambda alice: {"muted_author_ids": [str(alice)]}, "muted_author_ids"),
    ],
    ids=["no kind", "unknown kind", "no channel", "twice", "no id", "too many", "oneself"],
)
async def test_what_cannot_be_preferred_is_refused_by_its_field_and_changes_nothing(
    notifications: Notifications,
    alice: UUID,
    request_of: Callable[[UUID], dict[str, list[Message] | list[str]]],
    field: str,
) -> None:
    await replace(notifications, off("video_ready", "web_push"))
    before = await notifications.GetPreferences(GetPreferencesRequest(), CONTEXT)
    with pytest.raises(InvalidArgument) as refused:
        await notifications.ReplacePreferences(ReplacePreferencesRequest(**request_of(alice)), CONTEXT)  # type: ignore[arg-type]
    assert [violation.field for violation in refused.value.fields] == [field]
    assert await notifications.GetPreferences(GetPreferencesRequest(), CONTEXT) == before


async def test_each_device_gets_its_delivery_once_what_is_waited_for_first(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    for vendor in ("apns", "fcm", "web_push"):
        await add_device(pool, alice, vendor)
    ready = came_to("READY", owner=alice)
    await apply(begin, ready, ready)
    await apply(begin, published(uuid4()))
    await finish(begin, FakeFollowers([alice]))
    vendors = ["apns", "fcm", "web_push"]
    assert await deliveries(pool, alice) == [
        *[("video_published", vendor, 0, "PENDING") for vendor in vendors],
        *[("video_ready", vendor, 1, "PENDING") for vendor in vendors],
    ]
    ids = [row["delivery_id"] for row in await pool.fetch("SELECT delivery_id FROM deliveries ORDER BY created_at")]
    assert {(one.version, one.variant) for one in ids} == {(7, "specified in RFC 4122")}
    milliseconds = {one.int >> 80 for one in ids}
    assert await pool.fetchval("SELECT extract(epoch FROM now())") * 1000 - max(milliseconds) < 60_000


async def test_a_channel_that_is_switched_off_for_a_kind_gets_no_delivery_of_it(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    for vendor in ("apns", "fcm", "web_push"):
        await add_device(pool, alice, vendor)
    await replace(notifications, off("video_ready", "mobile_push"), off("video_failed", "web_push"))
    await apply(begin, came_to("READY", owner=alice), came_to("PROCESSING_FAILED", owner=alice))
    assert [(kind, vendor) for kind, vendor, *_ in await deliveries(pool, alice)] == [
        ("video_failed", "apns"),
        ("video_failed", "fcm"),
        ("video_ready", "web_push"),
    ]
    assert await count(notifications) == (2, 2)


async def test_a_kind_that_is_switched_off_in_the_app_is_pushed_and_shows_nowhere_in_the_inbox(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    await add_device(pool, alice, "fcm")
    await replace(notifications, off("video_ready", "in_app"))
    ready = came_to("READY", owner=alice)
    await apply(begin, ready)
    assert await count(notifications) == (0, 0)
    assert await deliveries(pool, alice) == [("video_ready", "fcm", 1, "PENDING")]
    await replace(notifications)
    await apply(begin, came_to("READY", owner=alice, video_id=UUID(ready.video_id)))
    assert await count(notifications) == (0, 0), "it was told, and is not told again"


async def test_a_muted_author_is_heard_by_others_alone(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    bob = uuid4()
    for user in (alice, bob):
        await add_device(pool, user, "fcm")
    await replace(notifications, muted=OWNER)
    await apply(begin, published(uuid4()))
    await finish(begin, FakeFollowers([alice, bob]))
    assert await told(pool, [alice, bob]) == [0, 1]
    assert (len(await deliveries(pool, alice)), len(await deliveries(pool, bob))) == (0, 1)
    assert await pool.fetchval("SELECT count(*) FROM notifications WHERE user_id = $1", alice) == 0
    await replace(notifications)
    await apply(begin, published(uuid4()))
    await finish(begin, FakeFollowers([alice, bob]))
    assert await told(pool, [alice, bob]) == [1, 2]


async def test_a_disabled_webhook_is_told_once_and_is_about_no_video(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    await add_device(pool, alice, "apns")
    webhook_id, disabled_at = uuid4(), utc_now()
    for _ in range(2):
        async with begin() as tx:
            await tell_webhook_disabled(tx, alice, webhook_id, "hooks.example.com", disabled_at, gone=False)
    (shown,) = (await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)).notifications
    assert (shown.kind, shown.video_id, shown.actor_user_id) == (Notification.webhook_disabled, "", str(alice))
    assert await deliveries(pool, alice) == [("webhook_disabled", "apns", 1, "PENDING")]


@pytest.mark.parametrize(
    ("taken_back", "left"),
    [(VideoHidden, {("video_ready", "PENDING"), ("video_published", "CANCELLED")}), (VideoDeleted, None)],
    ids=["hidden", "deleted"],
)
async def test_what_is_taken_back_is_not_delivered_any_more(
    pool: Pool,
    begin: Begin,
    monkeypatch: pytest.MonkeyPatch,
    taken_back: type[VideoHidden] | type[VideoDeleted],
    left: set[tuple[str, str]] | None,
) -> None:
    monkeypatch.setattr(withdrawals, "CANCELLED_AT_ONCE", 2)
    video_id, other, users = uuid4(), uuid4(), [uuid4() for _ in range(5)]
    for user in [*users, OWNER]:
        await add_device(pool, user, "fcm")
    await apply(begin, came_to("READY", video_id=video_id), published(video_id), published(other))
    await finish(begin, FakeFollowers(users))
    await apply(begin, taken_back(video_id=str(video_id), user_id=str(OWNER)))
    while left_over := await withdrawals.claim_withdrawals(begin, "test"):
        for withdrawal in left_over:
            await withdrawals.cancel_what_is_left(begin, withdrawal)
    stand = "SELECT DISTINCT kind, status FROM deliveries WHERE video_id = $1"
    found = {tuple(row) for row in await pool.fetch(stand, video_id)}
    assert found == (left or {("video_ready", "CANCELLED"), ("video_published", "CANCELLED")})
    assert {tuple(row) for row in await pool.fetch(stand, other)} == {("video_published", "PENDING")}


async def test_what_was_delivered_stays_delivered_when_it_is_taken_back(pool: Pool, begin: Begin, alice: UUID) -> None:
    await add_device(pool, alice, "fcm")
    video_id = uuid4()
    await apply(begin, published(video_id))
    await finish(begin, FakeFollowers([alice]))
    await pool.execute("UPDATE deliveries SET status = 'DELIVERED'")
    await apply(begin, VideoDeleted(video_id=str(video_id), user_id=str(OWNER)))
    assert await deliveries(pool, alice) == [("video_published", "fcm", 0, "DELIVERED")]


async def test_a_delivery_that_is_just_being_tried_belongs_to_nobody_once_it_is_cancelled(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    await add_device(pool, alice, "fcm")
    video_id = uuid4()
    await apply(begin, published(video_id))
    await finish(begin, FakeFollowers([alice]))
    work = Leases("deliveries", claimable="status = 'PENDING'", order_by="next_at", key="delivery_id")
    async with begin() as tx:
        (row,) = await work.claim(tx.connection, "test", 30)
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(OWNER)))
    async with begin() as tx:
        assert not await work.held(tx.connection, row["delivery_id"], row["fence"])
        assert await work.claim(tx.connection, "test", 30) == []


async def test_an_unfollow_and_a_mute_cancel_what_waits_of_that_author_alone(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    bob, other = uuid4(), uuid4()
    for user in (alice, bob):
        await add_device(pool, user, "fcm")
    await apply(begin, published(uuid4()), published(uuid4(), author=other), came_to("READY", owner=alice))
    await finish(begin, FakeFollowers([alice, bob]))
    await apply(begin, UserUnfollowed(user_id=str(bob), followed_user_id=str(OWNER)))
    await replace(notifications, muted=OWNER)
    stand = "SELECT actor_user_id, status FROM deliveries WHERE user_id = $1"
    assert {tuple(row) for row in await pool.fetch(stand, bob)} == {(OWNER, "CANCELLED"), (other, "PENDING")}
    assert {tuple(row) for row in await pool.fetch(stand, alice)} == {
        (OWNER, "CANCELLED"),
        (other, "PENDING"),
        (alice, "PENDING"),
    }
    assert len(await inbox(pool, alice)) == 3, "what was told in the app stays"


async def test_switching_a_channel_off_cancels_what_waits_there(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    for vendor in ("fcm", "web_push"):
        await add_device(pool, alice, vendor)
    await apply(begin, came_to("READY", owner=alice), came_to("PROCESSING_FAILED", owner=alice))
    await replace(notifications, off("video_ready", "mobile_push"))
    assert await deliveries(pool, alice) == [
        ("video_failed", "fcm", 1, "PENDING"),
        ("video_failed", "web_push", 1, "PENDING"),
        ("video_ready", "fcm", 1, "CANCELLED"),
        ("video_ready", "web_push", 1, "PENDING"),
    ]


async def test_a_page_that_was_listed_before_an_unfollow_is_written_without_them(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    bob = uuid4()
    await apply(begin, published(uuid4()))
    listed_before = FakeFollowers([alice, bob])
    slow = await claimed(begin)
    unfollow = UserUnfollowed(user_id=str(alice), followed_user_id=str(OWNER))
    await apply(begin, unfollow, unfollow)
    await fanouts.tell_followers(begin, listed_before, slow)
    assert await told(pool, [alice, bob]) == [0, 1]


async def test_who_follows_again_is_told_with_the_pages_to_come(pool: Pool, begin: Begin, alice: UUID) -> None:
    bob, carol = uuid4(), uuid4()
    followers = FakeFollowers([bob, carol, alice], page_size=1)
    await apply(begin, published(uuid4()))
    slow = await claimed(begin)
    await apply(begin, UserUnfollowed(user_id=str(alice), followed_user_id=str(OWNER)))
    await fanouts.tell_followers(begin, followers, slow)
    await finish(begin, followers)
    assert await told(pool, [alice, bob, carol]) == [1, 1, 1]


async def test_an_unfollow_waits_for_the_page_that_is_being_written_and_cancels_what_it_brings(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    await add_device(pool, alice, "fcm")
    await apply(begin, published(uuid4()))
    page = await claimed(begin)
    async with begin() as tx:
        assert await tx.store.fanouts.hold(page)
        unfollowing = asyncio.create_task(apply(begin, UserUnfollowed(user_id=str(alice), followed_user_id=str(OWNER))))
        await somebody_waits(pool)
        await tx.store.ledger.write(to_followers(page.publication), [alice])
    await unfollowing
    assert await deliveries(pool, alice) == [("video_published", "fcm", 0, "CANCELLED")]


async def test_a_video_that_is_hidden_while_its_author_is_muted_and_its_channel_switched_off_locks_nobody_out(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    await add_device(pool, alice, "fcm")
    video_id = uuid4()
    await apply(begin, published(video_id))
    page = await claimed(begin)
    async with begin() as tx:
        await tx.store.ledger.write(to_followers(page.publication), [alice])
    async with asyncio.timeout(20), begin() as tx:
        assert await tx.store.fanouts.cancel(video_id)
        preferring = asyncio.create_task(replace(notifications, off("video_published", "mobile_push"), muted=OWNER))
        await somebody_waits(pool)
        assert await tx.store.withdrawals.cancel(of_video(video_id, [Kind.VIDEO_PUBLISHED], "hidden"), 10) == 1
    await preferring
    assert await deliveries(pool, alice) == [("video_published", "fcm", 0, "CANCELLED")]


async def test_a_page_that_did_not_see_a_channel_switched_off_brings_nothing_there(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    device_id = await add_device(pool, alice, "fcm")
    await apply(begin, published(uuid4()))
    page = await claimed(begin)
    async with begin() as tx:
        await tx.store.ledger.write(to_followers(page.publication), [alice])
        await replace(notifications, off("video_published", "mobile_push"))
    assert await deliveries(pool, alice) == [("video_published", "fcm", 0, "PENDING")]
    async with begin() as tx:
        [delivery], _ = await tx.store.deliveries.claim("fcm", "test", 30.0, Rooms(1, {}, 1, {}, 1), "")
        assert await tx.store.deliveries.prepare(delivery) is None
    assert await deliveries(pool, alice) == [("video_published", "fcm", 0, "CANCELLED")]
    turn = "SELECT next_push_at = registered_at FROM devices WHERE device_id = $1"
    assert await pool.fetchval(turn, device_id), "what is not sent takes no turn"


async def test_what_an_owner_waits_for_does_not_wait_for_a_page_that_is_being_written(
    pool: Pool, begin: Begin, alice: UUID
) -> None:
    await apply(begin, published(uuid4()))
    page = await claimed(begin)
    async with begin() as tx:
        assert await tx.store.fanouts.hold(page)
        await tx.store.ledger.write(to_followers(page.publication), [uuid4() for _ in range(100)])
        await asyncio.wait_for(apply(begin, came_to("READY", owner=alice)), timeout=5)
    assert await told(pool, [alice]) == [1]


async def test_a_page_is_written_without_those_who_muted_while_it_was_listed(
    pool: Pool, begin: Begin, notifications: Notifications, alice: UUID
) -> None:
    bob = uuid4()
    followers = FakeFollowers([alice, bob])
    await apply(begin, published(uuid4()))
    slow = await claimed(begin)
    await replace(notifications, muted=OWNER)
    await fanouts.tell_followers(begin, followers, slow)
    await end_leases(pool)
    await finish(begin, followers)
    assert await told(pool, [alice, bob]) == [0, 1]
