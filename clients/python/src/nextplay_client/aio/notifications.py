"""The inbox, and what its owner wants to be told."""

from collections.abc import AsyncIterator, Sequence
from typing import cast

from nextplay_client.gateway import Gateway
from nextplay_client.streaming import resumed
from nextplay_client.types import (
    MarkedRead,
    Notification,
    NotificationPage,
    Preference,
    Preferences,
    WatchedNotification,
)


class AsyncNotifications:
    """`client.notifications`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list(self, *, unread_only: bool = False, limit: int | None = None) -> AsyncIterator[Notification]:
        """Notifications, newest first."""
        only = unread_only or None
        async for entry in self._gateway.entries("/v1/notifications", "notifications", limit, unread_only=only):
            yield entry

    async def page(
        self, *, page_size: int = 20, page_token: str | None = None, unread_only: bool = False
    ) -> NotificationPage:
        """One page of the inbox, with the number of unread entries and the place to watch from."""
        reply = await self._gateway.get(
            "/v1/notifications", page_size=page_size, page_token=page_token, unread_only=unread_only or None
        )
        return cast(NotificationPage, reply)

    async def watch(self, *, after_sequence: int | None = None) -> AsyncIterator[WatchedNotification]:
        """Notifications as they come, each once and none left out; without end.

        Begins after the given sequence (a page's `latest_sequence`), or with what comes from now on. The first entry
        has no notification: it tells where the watch begins. Connects again by itself.
        """
        async for event in resumed(self._gateway, "/v1/notifications/stream", after_sequence):
            yield cast(WatchedNotification, event)

    async def mark_read(self, notification_ids: Sequence[str] | None = None, *, until: str | None = None) -> MarkedRead:
        """Mark the named notifications as read, at most 100, or all that came at or before a time (RFC 3339)."""
        ids = None if notification_ids is None else [*notification_ids]
        return cast(MarkedRead, await self._gateway.post("/v1/notifications/read", notification_ids=ids, until=until))

    async def preferences(self) -> Preferences:
        """What is told on which channel, and who is muted."""
        return cast(Preferences, await self._gateway.get("/v1/notifications/preferences"))

    async def replace_preferences(
        self, preferences: Sequence[Preference] = (), *, muted_author_ids: Sequence[str] = ()
    ) -> Preferences:
        """Replace all preferences and all muted authors: what is not named is told, who is not named is not muted."""
        # The platform takes no empty list, which a reader could not tell from none.
        reply = await self._gateway.put(
            "/v1/notifications/preferences",
            preferences=[*preferences] or None,
            muted_author_ids=[*muted_author_ids] or None,
        )
        return cast(Preferences, reply)
