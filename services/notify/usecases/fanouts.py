"""Telling followers of publications, a page at a time, until all are told or the video is taken back."""

from collections.abc import Collection, Sequence
from uuid import UUID

from chassis import telemetry, tracing
from chassis.errors import Failure
from services.notify import metrics
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Kind, Publication, to_followers
from services.notify.domain.withdrawal import of_video
from services.notify.ports import Begin, Tx
from services.notify.ports.fanouts import FollowersPage, ListFollowers, PageTokenRefused
from services.notify.usecases.withdrawals import withdraw

CLAIM_SECONDS = 10.0
"""How long a page may take; what a killed process had claimed is claimed again after this."""
FANOUTS_AT_ONCE = 4

log = telemetry.logger(__name__)


async def announce(tx: Tx, publication: Publication) -> None:
    """Begin to tell the author's followers, unless the video is deleted or they were told before.

    Publications and hidings of a video come in the order in which they were decided, on one topic under one key. Their
    times would not tell it: they are of the clocks of several processes.
    """
    if await tx.store.fanouts.is_deleted(publication.video_id):
        return
    if await tx.store.fanouts.start(publication):
        log.info("fanout_started", video_id=publication.video_id, author_id=publication.author_id)


async def hide(tx: Tx, video_id: UUID) -> None:
    """Stop telling of a video that is not public any more, until it is announced again."""
    await _withdraw(tx, video_id, [Kind.VIDEO_PUBLISHED], because="hidden")


async def forget(tx: Tx, video_id: UUID) -> None:
    """Stop telling of a deleted video, for ever."""
    await tx.store.fanouts.delete(video_id)
    await _withdraw(tx, video_id, [*Kind], because="deleted")


async def claim_fanouts(begin: Begin, owner: str) -> Sequence[Fanout]:
    """Fan-outs whose next page is to be told now; each is `owner`'s for 10 s."""
    async with begin() as tx:
        return await tx.store.fanouts.claim(owner, CLAIM_SECONDS, FANOUTS_AT_ONCE)


async def tell_followers(begin: Begin, list_followers: ListFollowers, fanout: Fanout) -> None:
    """Tell the next page of followers, each once, and give the claim back.

    Followers and place are written together, so a fan-out that dies goes on where it was; the ledger keeps a page that
    is told again from being a second copy. Writes nothing when the video was taken back meanwhile.
    """
    # Not in the publication's trace, which would have no end with a million followers.
    with tracing.span_apart("tell followers", fanout.trace):
        await _tell_page(begin, list_followers, fanout)


async def _tell_page(begin: Begin, list_followers: ListFollowers, fanout: Fanout) -> None:
    try:
        page = await _next_page(list_followers, fanout)
    except Failure as failure:
        log.warning("fanout_postponed", video_id=fanout.publication.video_id, reason=failure.code)
        async with begin() as tx:
            await tx.store.fanouts.postpone(fanout, fanout.wait_seconds)
        return
    video_id = fanout.publication.video_id
    async with begin() as tx:
        if not await tx.store.fanouts.hold(fanout):
            return
        # A deletion that was applied at the same moment as the publication did not see the fan-out.
        if await tx.store.fanouts.is_deleted(video_id):
            await _withdraw(tx, video_id, [*Kind], because="deleted")
            return
        followers = set(page.user_ids) - set(await tx.store.fanouts.left_out(fanout))
        written = await tx.store.ledger.write(to_followers(fanout.publication), followers)
        await tx.store.fanouts.advance(fanout, page.next_page_token)
    metrics.written.add(written, {"kind": Kind.VIDEO_PUBLISHED})
    log.info("fanout_page_written", video_id=video_id, written=written, done=not page.next_page_token)


async def _next_page(list_followers: ListFollowers, fanout: Fanout) -> FollowersPage:
    author_id = fanout.publication.author_id
    try:
        return await list_followers(author_id, fanout.page_token)
    except PageTokenRefused:
        return await list_followers(author_id, "")


async def _withdraw(tx: Tx, video_id: UUID, kinds: Collection[Kind], *, because: str) -> None:
    """End the fan-out, and after it, so that the page which is being written is seen, what is not delivered yet."""
    if await tx.store.fanouts.cancel(video_id):
        log.info("fanout_cancelled", video_id=video_id, because=because)
    await withdraw(tx, of_video(video_id, kinds, because))
