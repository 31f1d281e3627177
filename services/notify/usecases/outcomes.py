"""Telling owners what became of their videos."""

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.notification import Outcome, to_owner
from services.notify.ports import Tx

log = telemetry.logger(__name__)


async def tell_owner(tx: Tx, outcome: Outcome) -> None:
    """Tell the owner what a generation of a video came to, once, unless the video is deleted."""
    notification = to_owner(outcome)
    if notification is None or await tx.store.fanouts.is_deleted(outcome.video_id):
        return
    if await tx.store.ledger.write([notification]):
        metrics.written.add(1, {"kind": notification.kind})
        log.info(
            "notification_written",
            user_id=notification.user_id,
            kind=notification.kind,
            video_id=outcome.video_id,
            generation=outcome.generation,
        )
