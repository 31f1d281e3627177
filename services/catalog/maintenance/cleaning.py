"""The job that forgets what only protected against repeats."""

from collections.abc import Mapping

from chassis.consumer import forget_applied_events
from chassis.idempotency import delete_expired_keys
from chassis.postgres import Pool


async def clean_up(pool: Pool) -> Mapping[str, int]:
    """Once an hour."""
    return {"idempotency_keys": await delete_expired_keys(pool), "inbox": await forget_applied_events(pool)}
