"""Following and not following."""

from uuid import UUID

from chassis import telemetry
from nextplay.catalog.v1.catalog_events_pb2 import UserUnfollowed
from services.catalog.domain.follows import check_follow
from services.catalog.ports import Begin
from services.catalog.usecases import analytics

RECENT_VIDEOS = 50
"""How many of an author's videos enter a new follower's feed."""

log = telemetry.logger(__name__)


async def follow_user(begin: Begin, follower_id: UUID, followed_id: UUID) -> None:
    """Follow a user; their latest public videos enter the feed. Safe to repeat. Raises CannotFollowYourself."""
    check_follow(follower_id, followed_id)
    async with begin() as tx:
        began = await tx.store.follows.add(follower_id, followed_id)
        if began:
            tx.emit(analytics.follow_started(follower_id, followed_id, await tx.store.videos.now()))
    # Only after the follow is there for all to see: a video that is published meanwhile is found either here or by its
    # fan-out, which sees every follow from before.
    async with begin() as tx:
        entries = await tx.store.feeds.fill(follower_id, followed_id, RECENT_VIDEOS)
    if began:
        log.info("user_followed", user_id=follower_id, followed_user_id=followed_id, feed_entries=entries)


async def unfollow_user(begin: Begin, follower_id: UUID, followed_id: UUID) -> None:
    """Stop following a user; their videos leave the feed. Safe to repeat."""
    async with begin() as tx:
        ended = await tx.store.follows.remove(follower_id, followed_id)
        if ended:
            tx.emit(UserUnfollowed(user_id=str(follower_id), followed_user_id=str(followed_id)))
            tx.emit(analytics.follow_ended(follower_id, followed_id, await tx.store.videos.now()))
        entries = await tx.store.feeds.clear(follower_id, followed_id)
    if ended:
        log.info("user_unfollowed", user_id=follower_id, followed_user_id=followed_id, feed_entries=entries)
