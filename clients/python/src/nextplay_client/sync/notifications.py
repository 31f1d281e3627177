"""The inbox, and what its owner wants to be told.

Made of aio/notifications.py by generate/make_sync.py, not by hand.
"""

from collections.abc import Iterator, Sequence

from nextplay_client.aio.notifications import AsyncNotifications
from nextplay_client.loop_thread import LoopThread
from nextplay_client.types import (
    MarkedRead,
    Notification,
    NotificationPage,
    Preference,
    Preferences,
    WatchedNotification,
)


class Notifications:
    """`client.notifications`."""

    def __init__(self, thread: LoopThread, served: AsyncNotifications) -> None:
        self._thread = thread
        self._served = served

    def list(self, *, unread_only: bool = False, limit: int | None = None) -> Iterator[Notification]:
        """Notifications, newest first."""
        return self._thread.iterate(self._served.list(unread_only=unread_only, limit=limit))

    def page(
        self, *, page_size: int = 20, page_token: str | None = None, unread_only: bool = False
    ) -> NotificationPage:
        """One page of the inbox, with the number of unread entries and the place to watch from."""
        return self._thread.run(self._served.page(page_size=page_size, page_token=page_token, unread_only=unread_only))

    def watch(self, *, after_sequence: int | None = None) -> Iterator[WatchedNotification]:
        """Notifications as they come, each once and none left out; without end.

        Begins after the given sequence (a page's `latest_sequence`), or with what comes from now on. The first entry
        has no notification: it tells where the watch begins. Connects again by itself.
        """
        return self._thread.iterate(self._served.watch(after_sequence=after_sequence))

    def mark_read(self, notification_ids: Sequence[str] | None = None, *, until: str | None = None) -> MarkedRead:
        """Mark the named notifications as read, at most 100, or all that came at or before a time (RFC 3339)."""
        return self._thread.run(self._served.mark_read(notification_ids, until=until))

    def preferences(self) -> Preferences:
        """What is told on which channel, and who is muted."""
        return self._thread.run(self._served.preferences())

    def replace_preferences(
        self, preferences: Sequence[Preference] = (), *, muted_author_ids: Sequence[str] = ()
    ) -> Preferences:
        """Replace all preferences and all muted authors: what is not named is told, who is not named is not muted."""
        return self._thread.run(self._served.replace_preferences(preferences, muted_author_ids=muted_author_ids))
