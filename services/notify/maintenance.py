"""The jobs. Each may run twice at once, and what it left undone the next run does."""

from chassis.consumer import forget_applied_events
from chassis.idempotency import delete_expired_keys
from chassis.postgres import Pool
from services.notify.ports import Begin
from services.notify.usecases import allowances, deliveries, inbox, webhook_deliveries


async def delete_old_notifications(begin: Begin, keep_days: int) -> dict[str, int]:
    """Delete the notifications that are older than they are kept."""
    return {"notifications": await inbox.delete_old_notifications(begin, keep_days)}


async def end_old_deliveries(begin: Begin, keep_days: int) -> dict[str, int]:
    """Give up the deliveries to devices that have waited for a day, and delete those that ended long ago."""
    return {
        "expired_deliveries": await deliveries.expire_deliveries(begin),
        "deleted_deliveries": await deliveries.delete_old_deliveries(begin, keep_days),
    }


async def delete_old_webhook_deliveries(begin: Begin, keep_days: int) -> dict[str, int]:
    """Delete the deliveries to webhooks that are older than they are kept, with their attempts."""
    return {"webhook_deliveries": await webhook_deliveries.delete_old_deliveries(begin, keep_days)}


async def clean_up(pool: Pool, begin: Begin) -> dict[str, int]:
    """Delete idempotency keys after 24 hours, inbox rows after 30 days, and what was counted for limits when its time
    has passed."""
    return {
        "idempotency_keys": await delete_expired_keys(pool),
        "applied_events": await forget_applied_events(pool),
        "allowance_uses": await allowances.forget_uses(begin),
    }
