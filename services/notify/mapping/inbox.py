"""Between messages and what the use cases know."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgument
from chassis.paging import AskedPage, Position, asked_page
from chassis.validation import parse_uuid
from nextplay.notify.v1.notifications_service_pb2 import (
    ListNotificationsRequest,
    ListNotificationsResponse,
    MarkReadRequest,
    MarkReadResponse,
    Notification,
    WatchNotificationsResponse,
)
from services.notify.reads.inbox import InboxEntry
from services.notify.reads.watching import Numbered, Place


def inbox_page_asked(request: ListNotificationsRequest, user_id: UUID, key: bytes) -> AskedPage:
    """Raises InvalidArgument for a token of another list."""
    return asked_page(request, key=key, query=f"notifications {user_id} {request.unread_only}")


def inbox_page(
    asked: AskedPage, entries: Sequence[InboxEntry], unread_count: int, latest_sequence: int
) -> ListNotificationsResponse:
    page, token = asked.cut(entries, lambda entry: Position(entry.created_at, entry.notification_id))
    return ListNotificationsResponse(
        notifications=[_notification(entry) for entry in page],
        next_page_token=token,
        unread_count=unread_count,
        latest_sequence=latest_sequence,
    )


def what_to_mark(request: MarkReadRequest) -> tuple[Sequence[UUID], datetime | None]:
    """The ids and the time. Raises InvalidArgument when there is neither."""
    named = request.notification_ids
    if not named and not request.HasField("until"):
        rule = "must name 1 to 100 notifications where `until` is not set"
        raise InvalidArgument(fields=[FieldViolation("notification_ids", rule)])
    ids = [parse_uuid(f"notification_ids[{index}]", value) for index, value in enumerate(named)]
    return ids, _time("until", request) if request.HasField("until") else None


def marked(marked_count: int, unread_count: int) -> MarkReadResponse:
    return MarkReadResponse(marked_count=marked_count, unread_count=unread_count)


def begun(place: Place) -> WatchNotificationsResponse:
    return WatchNotificationsResponse(sequence=place.after)


def watched(numbered: Numbered) -> WatchNotificationsResponse:
    return WatchNotificationsResponse(notification=_notification(numbered.entry), sequence=numbered.sequence)


def _time(field: str, request: MarkReadRequest) -> datetime:
    try:
        return request.until.ToDatetime(tzinfo=UTC)
    except ValueError as error:
        rule = "must be a time between the years 1 and 9999"
        raise InvalidArgument(fields=[FieldViolation(field, rule)]) from error


def _notification(entry: InboxEntry) -> Notification:
    return Notification(
        notification_id=str(entry.notification_id),
        kind=Notification.Kind.Value(entry.kind),
        title=entry.title,
        body=entry.body,
        video_id=str(entry.video_id) if entry.video_id else "",
        actor_user_id=str(entry.actor_user_id),
        reason_code=entry.reason_code,
        next_action=entry.next_action,
        created_at=_timestamp(entry.created_at),
        read_at=_timestamp(entry.read_at) if entry.read_at else None,
    )


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
