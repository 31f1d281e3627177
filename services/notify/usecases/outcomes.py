"""Telling owners what became of their videos and webhooks."""

from datetime import datetime
from uuid import UUID

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.notification import Outcome, of_disabled_webhook, to_owner
from services.notify.ports import Tx

log = telemetry.logger(__name__)


async def tell_owner(tx: Tx, outcome: Outcome) -> None:
    """Tell the owner what a generation of a video came to, once, unless the video is deleted."""
    notification = to_owner(outcome)
    if notification is None or await tx.store.fanouts.is_deleted(outcome.video_id):
        return
    if await tx.store.ledger.write(notification, [outcome.owner_id]):
        metrics.written.add(1, {"kind": notification.kind})
        log.info(
            "notification_written",
            user_id=outcome.owner_id,
            kind=notification.kind,
            video_id=outcome.video_id,
            generation=outcome.generation,
        )


async def tell_webhook_disabled(
    tx: Tx, user_id: UUID, webhook_id: UUID, url_host: str, disabled_at: datetime, *, gone: bool
) -> None:
    """Tell the owner that their webhook was switched off, and why; of its URL `url_host` alone is told."""
    notification = of_disabled_webhook(user_id, webhook_id, url_host, disabled_at, gone=gone)
    if await tx.store.ledger.write(notification, [user_id]):
        metrics.written.add(1, {"kind": notification.kind})
        log.info("notification_written", user_id=user_id, kind=notification.kind, webhook_id=webhook_id)
