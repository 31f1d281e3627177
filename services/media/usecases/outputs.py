"""Outputs that nobody will see are removed: of runs that did not win, and of deleted videos."""

from collections.abc import Sequence

from chassis.telemetry import logger
from services.media.domain.job import Purge, video_prefix
from services.media.ports import Begin, Objects

PURGE_AGAIN_SECONDS = 600.0
"""Longer than a lease and an upload of one object: what ran at the deletion has stored its last object by then."""
PURGE_LEASE_SECONDS = 120.0
PURGES_AT_ONCE = 4
SWEEP_PORTION = 100

log = logger(__name__)


async def claim_purges(begin: Begin, owner: str) -> Sequence[Purge]:
    async with begin() as tx:
        return await tx.store.claim_purges(owner, PURGE_LEASE_SECONDS, PURGES_AT_ONCE)


async def purge(begin: Begin, objects: Objects, purge: Purge) -> None:
    """Remove all outputs of a deleted video. Raises Unavailable; the lease lets it be tried again."""
    removed = await objects.delete_prefix(video_prefix(purge.user_id, purge.video_id))
    async with begin() as tx:
        await tx.store.end_purge(purge, PURGE_AGAIN_SECONDS)
    log.info("outputs_purged", video_id=purge.video_id, objects=removed)


async def sweep(begin: Begin, objects: Objects, ended_seconds_ago: float) -> int:
    """Remove what runs without success have left, a while after their end; how many runs were swept.

    Raises an ExceptionGroup, when all of a portion have been tried, of what kept some from being swept; they come last
    the next time.
    """
    swept, failed = 0, list[Exception]()
    while True:
        async with begin() as tx:
            portion = await tx.store.runs_to_sweep(ended_seconds_ago, SWEEP_PORTION)
        for run_id, prefix in portion:
            try:
                removed = await objects.delete_prefix(prefix)
                async with begin() as tx:
                    await tx.store.mark_swept(run_id)
            except Exception as error:
                log.error("run_not_swept", cause=error, run_id=run_id)
                failed.append(error)
                async with begin() as tx:
                    await tx.store.sweep_later(run_id)
            else:
                swept += 1
                log.info("run_swept", run_id=run_id, objects=removed)
        if len(portion) < SWEEP_PORTION or failed:
            break
    if failed:
        raise ExceptionGroup(f"{len(failed)} runs could not be swept", failed)
    return swept
