"""The jobs. Each may run twice at once, and what it left undone the next run does."""

from collections.abc import Awaitable, Callable

from chassis.consumer import forget_applied_events
from chassis.idempotency import delete_expired_keys
from chassis.postgres import Pool
from services.notify.domain.webhooks import GIVE_UP_SECONDS, LATE_SECONDS
from services.notify.ports import Begin, Store
from services.notify.usecases import allowances

AT_ONCE = 2_000
"""In one transaction, so that none runs long."""


async def delete_old_notifications(begin: Begin, keep_days: int) -> dict[str, int]:
    """Delete the notifications that are older than they are kept."""
    return {
        "notifications": await _in_portions(begin, lambda store: store.ledger.delete_written_before(keep_days, AT_ONCE))
    }


async def end_old_deliveries(begin: Begin, keep_days: int) -> dict[str, int]:
    """Give up the deliveries that have waited for a day, and delete those to devices that ended long ago."""
    too_old = GIVE_UP_SECONDS + LATE_SECONDS
    return {
        "expired_deliveries": await _in_portions(begin, lambda store: store.deliveries.expire(AT_ONCE)),
        "expired_webhook_deliveries": await _in_portions(begin, lambda store: store.webhooks.expire(too_old, AT_ONCE)),
        "deleted_deliveries": await _in_portions(
            begin, lambda store: store.deliveries.delete_ended_before(keep_days, AT_ONCE)
        ),
    }


async def delete_old_webhook_deliveries(begin: Begin, keep_days: int) -> dict[str, int]:
    """Delete the deliveries to webhooks that are older than they are kept, with their attempts."""
    return {
        "webhook_deliveries": await _in_portions(begin, lambda store: store.webhooks.delete_before(keep_days, AT_ONCE))
    }


async def clean_up(pool: Pool, begin: Begin) -> dict[str, int]:
    """Delete idempotency keys after 24 hours, inbox rows after 30 days, and what was counted for limits when its time
    has passed."""
    return {
        "idempotency_keys": await delete_expired_keys(pool),
        "applied_events": await forget_applied_events(pool),
        "allowance_uses": await allowances.forget_uses(begin),
    }


async def _in_portions(begin: Begin, portion: Callable[[Store], Awaitable[int]]) -> int:
    """Do a portion, a transaction each, until nothing is left; how many rows that were."""
    done = 0
    while True:
        async with begin() as tx:
            count = await portion(tx.store)
        done += count
        if not count:
            return done
