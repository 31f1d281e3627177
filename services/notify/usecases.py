"""What notify does: tells owners and followers, stops telling, and keeps what was told and read."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from chassis import telemetry
from chassis.errors import Failure
from services.notify import metrics
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Kind, Outcome, Publication, to_follower, to_owner
from services.notify.ports import Begin, FollowersPage, ListFollowers, PageTokenRefused, Tx

CLAIM_SECONDS = 10.0
"""How long a page may take; what a killed process had claimed is claimed again after this."""
FANOUTS_AT_ONCE = 4
DELETED_AT_ONCE = 5_000

log = telemetry.logger(__name__)


async def tell_owner(tx: Tx, outcome: Outcome) -> None:
    """Tell the owner what a generation of a video came to, once, unless the video is deleted."""
    notification = to_owner(outcome)
    if notification is None or await tx.store.is_deleted(outcome.video_id):
        return
    if await tx.store.write([notification]):
        metrics.written.add(1, {"kind": notification.kind})
        log.info(
            "notification_written",
            user_id=notification.user_id,
            kind=notification.kind,
            video_id=outcome.video_id,
            generation=outcome.generation,
        )


async def announce(tx: Tx, publication: Publication) -> None:
    """Begin to tell the author's followers, unless the video is deleted or they were told before.

    Publications and hidings of a video come in the order in which they were decided, on one topic under one key. Their
    times would not tell it: they are of the clocks of several processes.
    """
    if await tx.store.is_deleted(publication.video_id):
        return
    if await tx.store.start_fanout(publication):
        log.info("fanout_started", video_id=publication.video_id, author_id=publication.author_id)


async def hide(tx: Tx, video_id: UUID) -> None:
    """Stop telling of a video that is not public any more, until it is announced again."""
    await _cancel_fanout(tx, video_id)


async def forget(tx: Tx, video_id: UUID) -> None:
    """Stop telling of a deleted video, for ever."""
    await tx.store.delete(video_id)
    await _cancel_fanout(tx, video_id)


async def claim_fanouts(begin: Begin, owner: str) -> Sequence[Fanout]:
    """Fan-outs whose next page is to be told now; each is `owner`'s for 10 s."""
    async with begin() as tx:
        return await tx.store.claim_fanouts(owner, CLAIM_SECONDS, FANOUTS_AT_ONCE)


async def tell_followers(begin: Begin, list_followers: ListFollowers, fanout: Fanout) -> None:
    """Tell the next page of followers, each once, and give the claim back.

    Followers and place are written together, so a fan-out that dies goes on where it was; the ledger keeps a page that
    is told again from being a second copy. Writes nothing when the video was taken back meanwhile.
    """
    try:
        page = await _next_page(list_followers, fanout)
    except Failure as failure:
        log.warning("fanout_postponed", video_id=fanout.publication.video_id, reason=failure.code)
        async with begin() as tx:
            await tx.store.postpone_fanout(fanout, fanout.wait_seconds)
        return
    video_id = fanout.publication.video_id
    async with begin() as tx:
        if not await tx.store.hold_fanout(fanout):
            return
        # A deletion that was applied at the same moment as the publication did not see the fan-out.
        if await tx.store.is_deleted(video_id):
            await _cancel_fanout(tx, video_id)
            return
        written = await tx.store.write([to_follower(fanout.publication, user_id) for user_id in page.user_ids])
        await tx.store.advance_fanout(fanout, page.next_page_token)
    metrics.written.add(written, {"kind": Kind.VIDEO_PUBLISHED})
    log.info("fanout_page_written", video_id=video_id, written=written, done=not page.next_page_token)


async def mark_read(
    begin: Begin,
    user_id: UUID,
    notification_ids: Sequence[UUID],
    until: datetime | None,
    keep: Callable[[Tx, int, int], Awaitable[None]],
) -> tuple[int, int]:
    """Mark own notifications as read, those named and all up to `until`; how many it marked and how many stay unread.

    `keep` is called with the transaction and both numbers, so that the reply is stored with the change.
    """
    async with begin() as tx:
        marked = await tx.store.mark_read(user_id, notification_ids) if notification_ids else 0
        if until is not None:
            marked += await tx.store.mark_read_until(user_id, until)
        unread = await tx.store.unread_count(user_id)
        await keep(tx, marked, unread)
    return marked, unread


async def delete_old_notifications(begin: Begin, days: int) -> int:
    """Delete what was written more than `days` days ago, in portions, and say how many."""
    deleted = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.delete_written_before(days, DELETED_AT_ONCE)
        deleted += portion
        if portion < DELETED_AT_ONCE:
            return deleted


async def _next_page(list_followers: ListFollowers, fanout: Fanout) -> FollowersPage:
    author_id = fanout.publication.author_id
    try:
        return await list_followers(author_id, fanout.page_token)
    except PageTokenRefused:
        return await list_followers(author_id, "")


async def _cancel_fanout(tx: Tx, video_id: UUID) -> None:
    if await tx.store.cancel_fanout(video_id):
        log.info("fanout_cancelled", video_id=video_id)
