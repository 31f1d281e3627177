"""Feeds that agree with the videos: published public ones are in their author's followers' feeds, others are not."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import telemetry, tracing
from services.catalog import metrics
from services.catalog.ports import Begin, Tx
from services.catalog.ports.feeds import FeedFanout

CLAIM_SECONDS = 10.0
"""How long a page may take; what a killed process had claimed is claimed again after this."""
FANOUTS_AT_ONCE = 4
FOLLOWERS_AT_ONCE = 1_000

log = telemetry.logger(__name__)


async def enter_feeds(tx: Tx, video_id: UUID, author_id: UUID, published_at: datetime) -> None:
    """Let a video that became public enter the feeds of its author's followers."""
    await tx.store.feeds.start_fanout(video_id, author_id, published_at)


async def leave_feeds(tx: Tx, video_id: UUID) -> None:
    """Let a hidden or deleted video leave the feeds that it is in; they stopped showing it already."""
    await tx.store.feeds.restart_fanout(video_id)


async def claim_fanouts(begin: Begin, owner: str) -> Sequence[FeedFanout]:
    """Videos whose next page of followers is due; each is `owner`'s for 10 s."""
    async with begin() as tx:
        return await tx.store.feeds.claim_fanouts(owner, CLAIM_SECONDS, FANOUTS_AT_ONCE)


async def update_feeds(begin: Begin, fanout: FeedFanout) -> None:
    """Do the next page of followers: entries and place are written together, so a killed fan-out goes on where it was.

    What is to be done is asked of the video itself, so the order in which events arrived does not matter.
    """
    # Not in the trace of what changed the video, which would have no end with a million followers.
    with tracing.span_apart("update feeds", fanout.trace):
        await _update_page(begin, fanout)


async def _update_page(begin: Begin, fanout: FeedFanout) -> None:
    async with begin() as tx:
        feeds = tx.store.feeds
        if not await feeds.hold_fanout(fanout):
            return
        enters = await feeds.belongs_in_feeds(fanout.video_id)
        page = feeds.add_entries if enters else feeds.remove_entries
        after = await page(fanout, FOLLOWERS_AT_ONCE)
        await feeds.advance_fanout(fanout, after)
    if after is None:
        metrics.FEED_FANOUTS.add(1, {"effect": "entered" if enters else "left"})
        log.info("feeds_updated", video_id=fanout.video_id, author_id=fanout.author_id, entered=enters)
