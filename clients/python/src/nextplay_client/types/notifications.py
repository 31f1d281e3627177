"""What `/openapi.json` says of notifications: made by generate/make_types.py, not by hand."""

from typing import NotRequired, TypedDict

from nextplay_client.types.words import Channel, NotificationKind


class Notification(TypedDict):
    """A notification's kinds, under the words of the API."""

    # The notification (UUID).
    notification_id: str
    # What it tells.
    kind: NotificationKind
    # Title, as a push would show it.
    title: str
    # Body, as a push would show it.
    body: str
    # The video it is about (UUID); empty where it is about none.
    video_id: str
    # Who caused it (UUID): the publisher; the user's own id for own videos and webhooks.
    actor_user_id: str
    # Stable code of the reason where a video was rejected or failed.
    reason_code: NotRequired[str]
    # What to do next, where a video was rejected or failed.
    next_action: NotRequired[str]
    # When it was written.
    created_at: str
    # When it was read; absent while it is unread.
    read_at: NotRequired[str]


class NotificationPage(TypedDict):
    """A page of notifications."""

    # The notifications, newest first.
    notifications: list[Notification]
    # Token of the next page; empty on the last one.
    next_page_token: str
    # How many are unread in all.
    unread_count: int
    # What to watch from, as `after_sequence`, to miss nothing that is not on the first page or behind it. What comes in
    # between may be in both.
    latest_sequence: int


class MarkedRead(TypedDict):
    """The state of the inbox afterwards."""

    # How many notifications this call marked.
    marked_count: int
    # How many are unread in all.
    unread_count: int


class WatchedNotification(TypedDict):
    """A notification that was written, or where the watch begins."""

    # The notification; absent in the first message.
    notification: NotRequired[Notification]
    # Its number in the inbox: greater than those of all before it. Numbers may be left out.
    sequence: int


class Preference(TypedDict):
    """Whether one kind of notification is told on one channel."""

    # The kind.
    kind: NotificationKind
    # The channel.
    channel: Channel
    # Whether it is told there.
    enabled: bool


class Preferences(TypedDict):
    """All preferences of the caller."""

    # Every kind on every channel, with its value.
    preferences: list[Preference]
    # Authors of whose publications the caller hears nothing, on no channel (UUIDs), in the order of their ids.
    muted_author_ids: list[str]
