"""The gRPC methods of the inbox and of preferences."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from chassis.auth import current_user
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, reserve, store_reply
from chassis.postgres import Pool
from nextplay.notify.v1.notifications_service_pb2 import (
    GetPreferencesRequest,
    GetPreferencesResponse,
    ListNotificationsRequest,
    ListNotificationsResponse,
    MarkReadRequest,
    MarkReadResponse,
    ReplacePreferencesRequest,
    ReplacePreferencesResponse,
    WatchNotificationsRequest,
    WatchNotificationsResponse,
)
from nextplay.notify.v1.notifications_service_pb2_grpc import NotificationServiceServicer
from services.notify.mapping import inbox as mapping
from services.notify.mapping import preferences as mapping_preferences
from services.notify.ports import Begin, Tx
from services.notify.reads.inbox import list_notifications
from services.notify.reads.preferences import read_preferences
from services.notify.reads.watching import Watchers, place_of
from services.notify.usecases import inbox
from services.notify.usecases.preferences import replace_preferences


class Notifications(NotificationServiceServicer):
    """Reads, watches and marks the caller's notifications, and keeps what they want to be told."""

    def __init__(self, pool: Pool, begin: Begin, watchers: Watchers, page_key: bytes) -> None:
        self._watchers = watchers
        self._pool = pool
        self._begin = begin
        self._page_key = page_key

    async def ListNotifications(self, request: ListNotificationsRequest, context: Any) -> ListNotificationsResponse:
        user_id = current_user().user_id
        asked = mapping.inbox_page_asked(request, user_id, self._page_key)
        entries, unread_count, latest = await list_notifications(
            self._pool, user_id, asked.after, asked.limit, unread_only=request.unread_only
        )
        return mapping.inbox_page(asked, entries, unread_count, latest)

    async def MarkRead(self, request: MarkReadRequest, context: Any) -> MarkReadResponse:
        user_id = current_user().user_id
        ids, until = mapping.what_to_mark(request)
        async with reserve(
            self._pool,
            key=idempotency_key(),
            user_id=user_id,
            method="MarkRead",
            request=request,
            reply_type=MarkReadResponse,
            ids={},
        ) as outcome:
            if isinstance(outcome, Replay):
                return outcome.reply

            async def keep(tx: Tx, marked_count: int, unread_count: int) -> None:
                await store_reply(tx.connection, outcome, mapping.marked(marked_count, unread_count))

            return mapping.marked(*await inbox.mark_read(self._begin, user_id, ids, until, keep))

    async def WatchNotifications(
        self, request: WatchNotificationsRequest, context: Any
    ) -> AsyncGenerator[WatchNotificationsResponse, None]:
        seen = request.after_sequence if request.HasField("after_sequence") else None
        place = await place_of(self._pool, current_user().user_id, seen)
        yield mapping.begun(place)
        async with aclosing(self._watchers.watch(place)) as news:
            async for numbered in news:
                yield mapping.watched(numbered)

    async def GetPreferences(self, request: GetPreferencesRequest, context: Any) -> GetPreferencesResponse:
        return mapping_preferences.got(await read_preferences(self._pool, current_user().user_id))

    async def ReplacePreferences(self, request: ReplacePreferencesRequest, context: Any) -> ReplacePreferencesResponse:
        asked = mapping_preferences.preferences_asked(request)
        await replace_preferences(self._begin, current_user().user_id, asked)
        return mapping_preferences.replaced(asked)
