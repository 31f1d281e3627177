"""The jobs. Each may run twice at once, and what it left undone the next run does."""

from datetime import timedelta

from chassis.consumer import forget_applied_events
from chassis.idempotency import delete_expired_keys
from chassis.postgres import Pool
from services.upload.ports import Begin, Objects
from services.upload.usecases import completion, ending, purging


async def cleanup_expired_uploads(begin: Begin, keep_ended_days: int, initiate_window: timedelta) -> dict[str, int]:
    """End the uploads whose time is over, and delete what long ended ones and old limits left in the tables."""
    return {
        "expired": await ending.expire_uploads(begin),
        "deleted": await ending.delete_ended_uploads(begin, keep_ended_days),
        "uses_forgotten": await ending.forget_uses(begin, initiate_window),
    }


async def finish_completing(
    begin: Begin, objects: Objects, keep_original: timedelta, after_seconds: float
) -> dict[str, int]:
    """Finish the uploads that have been COMPLETING for too long."""
    return {"finished": await completion.finish_completing(begin, objects, keep_original, after_seconds)}


async def delete_expired_originals(begin: Begin) -> dict[str, int]:
    """Have the originals deleted whose time is over."""
    return {"originals": await purging.delete_outlived_originals(begin)}


async def clean_up(pool: Pool) -> dict[str, int]:
    """Delete idempotency keys after 24 hours and inbox rows after 30 days."""
    return {
        "idempotency_keys": await delete_expired_keys(pool),
        "applied_events": await forget_applied_events(pool),
    }
