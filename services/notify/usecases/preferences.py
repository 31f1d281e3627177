"""What a user does not want to be told, from now on and of what waits already."""

from uuid import UUID

from chassis import telemetry
from services.notify.domain.preferences import Preferences, check_muted
from services.notify.domain.withdrawal import of_authors, of_channels
from services.notify.ports import Begin, Tx
from services.notify.usecases.withdrawals import withdraw

log = telemetry.logger(__name__)


async def replace_preferences(begin: Begin, user_id: UUID, preferences: Preferences) -> None:
    """Put these in the place of all the user had, and cancel what waits to be delivered against them. Safe to repeat.

    Raises InvalidArgument for more than 1,000 muted authors and for the user among them.
    """
    check_muted(user_id, preferences.muted_author_ids)
    async with begin() as tx:
        newly_muted = await tx.store.preferences.replace(user_id, preferences)
        # Fan-outs before deliveries, as who hides a video takes them.
        if newly_muted:
            await tx.store.fanouts.wait_for_pages(newly_muted)
        for withdrawal in of_channels(user_id, preferences.disabled, "preferences"):
            await withdraw(tx, withdrawal)
        if newly_muted:
            await withdraw(tx, of_authors(user_id, sorted(newly_muted), "preferences"))
    log.info("preferences_replaced", user_id=user_id, newly_muted=len(newly_muted))


async def stop_following(tx: Tx, user_id: UUID, author_id: UUID) -> None:
    """Tell the user nothing more of an author whom they do not follow any more."""
    await tx.store.fanouts.leave_out(author_id, user_id)
    await withdraw(tx, of_authors(user_id, [author_id], "unfollowed"))
    log.info("author_unfollowed", user_id=user_id, author_id=author_id)
