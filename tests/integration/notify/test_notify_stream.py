"""The stream of the inbox on the real tables: nothing is left out, whoever commits first."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from functools import partial
from uuid import UUID, uuid4

import pytest
from notify_world import apply, came_to, finish, published

from chassis.clock import utc_now
from chassis.postgres import Pool
from nextplay.notify.v1.notifications_service_pb2 import (
    ListNotificationsRequest,
    Notification,
    Preference,
    ReplacePreferencesRequest,
    WatchNotificationsRequest,
    WatchNotificationsResponse,
)
from services.notify.domain.notification import of_disabled_webhook
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.reads.watching import Place, Watchers, place_of, read_behind
from services.notify.servicer.inbox import Notifications

CONTEXT = None


@pytest.fixture
async def notifications(pool: Pool, begin: Begin) -> AsyncIterator[Notifications]:
    watchers = Watchers()
    ticking = asyncio.create_task(watchers.keep_informed(partial(read_behind, pool), seconds=0.01))
    yield Notifications(pool, begin, watchers, b"key")
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking


async def watch(
    notifications: Notifications, count: int, after_sequence: int | None = None
) -> Sequence[WatchNotificationsResponse]:
    """The first message of a watch, and the next few."""
    messages = []
    stream = notifications.WatchNotifications(WatchNotificationsRequest(after_sequence=after_sequence), CONTEXT)
    async with asyncio.timeout(10), aclosing(stream):
        async for message in stream:
            messages.append(message)
            if len(messages) > count:
                break
    return messages


async def test_a_watch_begins_with_its_place_and_tells_what_is_written_from_then_on(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await apply(begin, came_to("READY", owner=alice))
    stream = notifications.WatchNotifications(WatchNotificationsRequest(), CONTEXT)
    async with asyncio.timeout(10), aclosing(stream):
        first = await anext(stream)
        await apply(begin, came_to("PROCESSING_FAILED", owner=alice), published(uuid4()))
        await finish(begin, FakeFollowers([alice, uuid4()]))
        told = [await anext(stream), await anext(stream)]
    assert (first.sequence, first.HasField("notification")) == (1, False)
    assert [(one.sequence, one.notification.kind) for one in told] == [
        (2, Notification.video_failed),
        (3, Notification.video_published),
    ]


async def test_a_resumed_watch_tells_everything_after_what_was_seen_however_much(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await apply(begin, *(came_to("READY", owner=alice) for _ in range(50)))
    messages = await watch(notifications, 47, after_sequence=3)
    assert [message.sequence for message in messages] == list(range(3, 51))
    listed = await notifications.ListNotifications(ListNotificationsRequest(page_size=47), CONTEXT)
    assert listed.latest_sequence == 50
    assert {one.notification_id for one in listed.notifications} == {
        message.notification.notification_id for message in messages[1:]
    }


async def test_a_number_that_was_never_given_out_is_no_place_to_wait_at(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await apply(begin, came_to("READY", owner=alice))
    (first,) = await watch(notifications, 0, after_sequence=4_000_000_000)
    assert first.sequence == 1


async def test_what_is_switched_off_in_the_app_is_not_in_the_stream(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    off = Preference(kind=Notification.video_ready, channel=Preference.in_app, enabled=False)
    await notifications.ReplacePreferences(ReplacePreferencesRequest(preferences=[off]), CONTEXT)
    await apply(begin, came_to("READY", owner=alice), came_to("PROCESSING_FAILED", owner=alice))
    _, told = await watch(notifications, 1, after_sequence=0)
    assert (told.sequence, told.notification.kind) == (1, Notification.video_failed)


async def test_nobody_sees_a_number_before_all_lower_ones_of_the_inbox(pool: Pool, begin: Begin) -> None:
    alice, bob = uuid4(), uuid4()

    async def write(user_ids: Sequence[UUID]) -> None:
        async with begin() as tx:
            await tx.store.ledger.write(
                of_disabled_webhook(alice, uuid4(), "quick.example", utc_now(), gone=True), user_ids
            )

    async with begin() as tx:
        await tx.store.ledger.write(of_disabled_webhook(alice, uuid4(), "slow.example", utc_now(), gone=True), [alice])
        later = asyncio.create_task(write([alice]))
        await write([bob])
        places = [Place(alice, 0), Place(bob, 0)]
        assert [*await read_behind(pool, places)] == [1], "another inbox does not wait"
        assert (await place_of(pool, alice, None)).after == 0
    await later
    told = (await read_behind(pool, places))[0]
    assert [one.sequence for one in told] == [1, 2]
    assert "slow.example" in told[0].entry.body


async def test_pages_for_the_same_followers_that_are_written_at_once_tell_each_of_them_everything(
    pool: Pool, begin: Begin
) -> None:
    users = [uuid4() for _ in range(200)]

    async def write(number: int) -> None:
        async with begin() as tx:
            notification = of_disabled_webhook(users[0], uuid4(), f"{number}.example", utc_now(), gone=True)
            await tx.store.ledger.write(notification, users if number % 2 else users[::-1])

    await asyncio.gather(*(write(number) for number in range(10)))
    behind = await read_behind(pool, [Place(user, 0) for user in users])
    assert [[one.sequence for one in behind[index]] for index in range(200)] == [list(range(1, 11))] * 200
