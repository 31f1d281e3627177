"""The inbox through the servicer: pages, unread count, marking as read."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.errors import InvalidArgument, Unauthenticated
from chassis.idempotency import IdempotencyMismatch
from chassis.postgres import Pool
from nextplay.notify.v1.notifications_service_pb2 import ListNotificationsRequest, MarkReadRequest
from services.notify.domain.notification import Outcome, to_owner
from services.notify.ports import Begin
from services.notify.reads.watching import Watchers
from services.notify.servicer.inbox import Notifications
from services.notify.usecases.inbox import MARKED_AT_ONCE

CONTEXT = None


@pytest.fixture
def notifications(pool: Pool, begin: Begin) -> Notifications:
    return Notifications(pool, begin, Watchers(), b"key")


async def tell(begin: Begin, user_id: UUID, count: int, *, at_once: bool = False) -> None:
    """Write notifications to the user: each in a transaction of its own, or all with the same time."""
    outcomes = [Outcome(uuid4(), user_id, "title", 1, "READY", None) for _ in range(count)]
    written = [notification for outcome in outcomes if (notification := to_owner(outcome))]
    for portion in [written] if at_once else [[notification] for notification in written]:
        async with begin() as tx:
            for notification in portion:
                await tx.store.ledger.write(notification, [user_id])


async def all_pages(notifications: Notifications, *, page_size: int, unread_only: bool = False) -> Sequence[list[str]]:
    """The ids of each page."""
    pages: list[list[str]] = []
    request = ListNotificationsRequest(page_size=page_size, unread_only=unread_only)
    while True:
        reply = await notifications.ListNotifications(request, CONTEXT)
        pages.append([shown.notification_id for shown in reply.notifications])
        if not reply.next_page_token:
            return pages
        request.page_token = reply.next_page_token


async def unread(notifications: Notifications) -> int:
    return (await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)).unread_count


@pytest.mark.parametrize("at_once", [False, True], ids=["different times", "the same time"])
async def test_pages_show_every_notification_once_newest_first(
    notifications: Notifications, begin: Begin, alice: UUID, at_once: bool
) -> None:
    await tell(begin, alice, 7, at_once=at_once)
    (whole,) = await all_pages(notifications, page_size=100)
    pages = await all_pages(notifications, page_size=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [shown for page in pages for shown in page] == whole
    assert len(set(whole)) == 7
    reply = await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)
    times = [shown.created_at.ToDatetime() for shown in reply.notifications]
    assert times == sorted(times, reverse=True)


async def test_a_notification_that_arrives_between_two_pages_shifts_nothing(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await tell(begin, alice, 4)
    first = await notifications.ListNotifications(ListNotificationsRequest(page_size=2), CONTEXT)
    await tell(begin, alice, 1)
    second = await notifications.ListNotifications(
        ListNotificationsRequest(page_size=2, page_token=first.next_page_token), CONTEXT
    )
    shown = [one.notification_id for page in (first, second) for one in page.notifications]
    assert len(set(shown)) == 4


async def test_an_empty_inbox_is_an_empty_page(notifications: Notifications, alice: UUID) -> None:
    reply = await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)
    assert (list(reply.notifications), reply.next_page_token, reply.unread_count) == ([], "", 0)


async def test_others_notifications_are_neither_shown_nor_marked(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    bob = uuid4()
    await tell(begin, bob, 1)
    with acting_as(User(bob, "free")):
        ((of_bob,),) = await all_pages(notifications, page_size=10)
    assert await all_pages(notifications, page_size=10) == [[]]
    reply = await notifications.MarkRead(MarkReadRequest(notification_ids=[of_bob]), CONTEXT)
    assert reply.marked_count == 0
    with acting_as(User(bob, "free")):
        assert await unread(notifications) == 1


async def test_marking_named_ones_twice_marks_them_once_and_keeps_the_first_time(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await tell(begin, alice, 3)
    ((newest, *_),) = await all_pages(notifications, page_size=10)
    request = MarkReadRequest(notification_ids=[newest, str(uuid4())])
    reply = await notifications.MarkRead(request, CONTEXT)
    assert (reply.marked_count, reply.unread_count) == (1, 2)
    first = (await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)).notifications[0].read_at
    assert (await notifications.MarkRead(request, CONTEXT)).marked_count == 0
    again = (await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)).notifications[0].read_at
    assert first == again


async def test_marking_until_a_time_leaves_later_ones_unread(
    notifications: Notifications, begin: Begin, alice: UUID
) -> None:
    await tell(begin, alice, 3)
    newest, middle, _ = (await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)).notifications
    reply = await notifications.MarkRead(MarkReadRequest(until=middle.created_at), CONTEXT)
    assert (reply.marked_count, reply.unread_count) == (2, 1)
    assert await all_pages(notifications, page_size=10, unread_only=True) == [[newest.notification_id]]


async def test_marking_until_the_far_future_marks_all(notifications: Notifications, begin: Begin, alice: UUID) -> None:
    await tell(begin, alice, 3)
    request = MarkReadRequest()
    request.until.GetCurrentTime()
    request.until.FromDatetime(request.until.ToDatetime() + timedelta(days=365))
    assert (await notifications.MarkRead(request, CONTEXT)).unread_count == 0


async def test_unread_pages_have_unread_ones_alone(notifications: Notifications, begin: Begin, alice: UUID) -> None:
    await tell(begin, alice, 5)
    ((a, b, c, d, e),) = await all_pages(notifications, page_size=10)
    await notifications.MarkRead(MarkReadRequest(notification_ids=[b, d]), CONTEXT)
    assert await all_pages(notifications, page_size=2, unread_only=True) == [[a, c], [e]]


async def test_a_repeated_request_with_a_key_gets_the_reply_of_the_first(
    notifications: Notifications, begin: Begin, alice: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.notify.servicer.inbox.idempotency_key", lambda: "key-1")
    await tell(begin, alice, 2)
    ((newest, older),) = await all_pages(notifications, page_size=10)
    request = MarkReadRequest(notification_ids=[newest])
    first = await notifications.MarkRead(request, CONTEXT)
    assert await notifications.MarkRead(request, CONTEXT) == first
    with pytest.raises(IdempotencyMismatch):
        await notifications.MarkRead(MarkReadRequest(notification_ids=[older]), CONTEXT)
    assert await unread(notifications) == 1


async def test_a_request_that_is_refused_marks_nothing(notifications: Notifications, begin: Begin, alice: UUID) -> None:
    await tell(begin, alice, 1)
    ((newest,),) = await all_pages(notifications, page_size=10)
    with pytest.raises(InvalidArgument):
        await notifications.MarkRead(MarkReadRequest(notification_ids=[newest, "nonsense"]), CONTEXT)
    assert await unread(notifications) == 1


async def test_a_caller_without_a_user_is_refused(notifications: Notifications) -> None:
    with pytest.raises(Unauthenticated):
        await notifications.ListNotifications(ListNotificationsRequest(), CONTEXT)


async def test_an_inbox_that_was_never_read_is_marked_in_portions(
    notifications: Notifications, pool: Pool, alice: UUID
) -> None:
    many = 2 * MARKED_AT_ONCE + 1
    await pool.execute(
        """
        INSERT INTO notifications (notification_id, user_id, kind, subject, title, body, actor_user_id)
        SELECT gen_random_uuid(), $1, 'video_published', number, '', '', $1 FROM generate_series(1, $2::int) AS number
        """,
        alice,
        many,
    )
    until = Timestamp()
    until.FromDatetime(utc_now() + timedelta(hours=1))
    reply = await notifications.MarkRead(MarkReadRequest(until=until), CONTEXT)
    assert (reply.marked_count, reply.unread_count) == (many, 0)
    portions = await pool.fetch("SELECT count(*) AS size FROM notifications GROUP BY xmin ORDER BY size")
    assert [row["size"] for row in portions] == [1, MARKED_AT_ONCE, MARKED_AT_ONCE], "a transaction each"
