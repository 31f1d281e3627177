"""What was told and read."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from services.notify.ports import Begin, Tx

MARKED_AT_ONCE = 5_000


async def mark_read(
    begin: Begin,
    user_id: UUID,
    notification_ids: Sequence[UUID],
    until: datetime | None,
    keep: Callable[[Tx, int, int], Awaitable[None]],
) -> tuple[int, int]:
    """Mark own notifications as read, those named and all up to `until`; how many it marked and how many stay unread.

    `keep` is called with the transaction and both numbers, so that the reply is stored with the change. Many are marked
    in portions, a transaction each: who is cut off in between has marked some, and a repeat goes on with the others.
    """
    marked = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.inbox.mark_read_until(user_id, until, MARKED_AT_ONCE) if until else 0
            marked += portion
            if portion < MARKED_AT_ONCE:
                marked += await tx.store.inbox.mark_read(user_id, notification_ids) if notification_ids else 0
                unread = await tx.store.inbox.unread_count(user_id)
                await keep(tx, marked, unread)
                return marked, unread
