from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.errors import InvalidArgument
from chassis.paging import START
from nextplay.notify.v1.notifications_service_pb2 import ListNotificationsRequest, MarkReadRequest, Notification
from services.notify.mapping.inbox import inbox_page, inbox_page_asked, what_to_mark
from services.notify.reads.inbox import InboxEntry

KEY = b"a key of at least thirty-two bytes"
ALICE = UUID("22222222-2222-4222-8222-222222222222")
BOB = UUID("33333333-3333-4333-8333-333333333333")


def entry(number: int) -> InboxEntry:
    return InboxEntry(
        notification_id=UUID(int=number),
        kind="video_ready",
        title="title",
        body="body",
        video_id=UUID(int=7),
        actor_user_id=ALICE,
        reason_code=None,
        next_action=None,
        created_at=datetime(2026, 1, 1, 12, 0, number, 123456, tzinfo=UTC),
        read_at=None,
    )


def wrong_field(error: pytest.ExceptionInfo[InvalidArgument]) -> str:
    (violation,) = error.value.fields
    return violation.field


def test_a_request_without_fields_asks_for_the_first_twenty() -> None:
    asked = inbox_page_asked(ListNotificationsRequest(), ALICE, KEY)
    assert (asked.after, asked.size) == (START, 20)


def test_a_page_that_another_follows_has_a_token_that_goes_on_behind_its_last_entry() -> None:
    asked = inbox_page_asked(ListNotificationsRequest(page_size=2), ALICE, KEY)
    page = inbox_page(asked, [entry(3), entry(2), entry(1)], unread_count=5, latest_sequence=7)
    assert [shown.notification_id for shown in page.notifications] == [str(UUID(int=3)), str(UUID(int=2))]
    assert (page.unread_count, page.latest_sequence) == (5, 7)
    after = inbox_page_asked(ListNotificationsRequest(page_size=2, page_token=page.next_page_token), ALICE, KEY).after
    assert (after.time, after.id) == (entry(2).created_at, UUID(int=2))


def test_the_last_page_has_no_token() -> None:
    asked = inbox_page_asked(ListNotificationsRequest(page_size=2), ALICE, KEY)
    assert inbox_page(asked, [entry(2), entry(1)], unread_count=0, latest_sequence=7).next_page_token == ""


def test_a_token_of_another_user_or_filter_is_refused() -> None:
    asked = inbox_page_asked(ListNotificationsRequest(page_size=1), ALICE, KEY)
    token = inbox_page(asked, [entry(2), entry(1)], unread_count=0, latest_sequence=7).next_page_token
    with pytest.raises(InvalidArgument) as other_user:
        inbox_page_asked(ListNotificationsRequest(page_token=token), BOB, KEY)
    with pytest.raises(InvalidArgument) as other_filter:
        inbox_page_asked(ListNotificationsRequest(page_token=token, unread_only=True), ALICE, KEY)
    assert wrong_field(other_user) == wrong_field(other_filter) == "page_token"


def test_an_unread_notification_without_reason_leaves_those_fields_out() -> None:
    shown = inbox_page(
        inbox_page_asked(ListNotificationsRequest(), ALICE, KEY), [entry(1)], unread_count=1, latest_sequence=7
    ).notifications[0]
    assert shown.kind == Notification.Kind.video_ready
    assert not shown.HasField("read_at")
    assert not shown.HasField("reason_code")
    assert not shown.HasField("next_action")


def test_marking_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        what_to_mark(MarkReadRequest())
    assert wrong_field(refused) == "notification_ids"


def test_a_malformed_id_is_named_with_its_place() -> None:
    with pytest.raises(InvalidArgument) as refused:
        what_to_mark(MarkReadRequest(notification_ids=[str(ALICE), "nonsense"]))
    assert wrong_field(refused) == "notification_ids[1]"


def test_a_time_outside_of_the_calendar_is_refused() -> None:
    request = MarkReadRequest()
    request.until.seconds = 2**62
    with pytest.raises(InvalidArgument) as refused:
        what_to_mark(request)
    assert wrong_field(refused) == "until"


def test_ids_and_time_may_be_sent_together() -> None:
    request = MarkReadRequest(notification_ids=[str(ALICE)])
    request.until.seconds = 1_700_000_000
    assert what_to_mark(request) == ([ALICE], datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC))
