"""The gRPC methods of the inbox."""

from typing import Any

from chassis.auth import current_user
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, reserve, store_reply
from chassis.postgres import Pool
from nextplay.notify.v1.notifications_service_pb2 import (
    ListNotificationsRequest,
    ListNotificationsResponse,
    MarkReadRequest,
    MarkReadResponse,
)
from nextplay.notify.v1.notifications_service_pb2_grpc import NotificationServiceServicer
from services.notify.mapping import inbox as mapping
from services.notify.ports import Begin, Tx
from services.notify.reads.inbox import list_notifications
from services.notify.usecases import inbox


class Notifications(NotificationServiceServicer):
    """Reads and marks the caller's notifications."""

    def __init__(self, pool: Pool, begin: Begin, page_key: bytes) -> None:
        self._pool = pool
        self._begin = begin
        self._page_key = page_key

    async def ListNotifications(self, request: ListNotificationsRequest, context: Any) -> ListNotificationsResponse:
        user_id = current_user().user_id
        asked = mapping.inbox_page_asked(request, user_id, self._page_key)
        entries, unread_count = await list_notifications(
            self._pool, user_id, asked.after, asked.limit, unread_only=request.unread_only
        )
        return mapping.inbox_page(asked, entries, unread_count)

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
