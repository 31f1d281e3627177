"""Deletes what S3 holds and nobody needs any more: what ended uploads left, rejected and outlived originals, and all
originals of deleted videos."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from chassis import telemetry
from chassis.errors import Unavailable
from services.upload import metrics
from services.upload.domain.upload import video_prefix
from services.upload.ports import Begin, Objects, Purge, Tx
from services.upload.usecases.ending import end_by_abort

CLAIM_SECONDS = 60.0
"""How long a claim is good; a purge that a killed process had claimed is taken up again after this."""
PURGES_AT_ONCE = 4
ORIGINALS_AT_ONCE = 500
LONGEST_WAIT_SECONDS = 600.0
ABANDONED = timedelta(days=30)
"""How much longer an original is kept of whose transcode nothing was ever heard."""

log = telemetry.logger(__name__)


async def forget_video(tx: Tx, video_id: UUID, user_id: UUID, last_upload_ends: timedelta) -> None:
    """The video was deleted, for ever: no more work for it, its active uploads end, and its originals are purged.

    Purged once more after `last_upload_ends`, when what was on its way to S3 at this moment has ended too. An upload
    that is COMPLETING now finds the tombstone when it writes its result.
    """
    await tx.store.lock_video(video_id)
    await tx.store.delete_video(video_id)
    for upload in await tx.store.lock_active_of_video(video_id):
        await end_by_abort(tx, upload)
    prefix = video_prefix(user_id, video_id)
    await tx.store.order_purge(prefix, "deleted")
    await tx.store.order_purge(prefix, "deleted", delay=last_upload_ends)


async def drop_rejected_original(tx: Tx, upload_id: UUID) -> None:
    """The clip was rejected: nobody will read its original again."""
    upload = await tx.store.mark_original_deleted(upload_id)
    if upload is not None:
        await tx.store.order_purge(upload.prefix, "rejected")


async def keep_original_for_retry(tx: Tx, upload_id: UUID, generation: int, until: datetime) -> None:
    """A transcode will read the original again; it is kept while that lasts, and until then at least."""
    await tx.store.original_wanted(upload_id, generation, until)


async def let_original_age(tx: Tx, video_id: UUID, generation: int, until: datetime) -> None:
    """The transcode of the generation has ended; the original it read is kept until then, for a retry."""
    await tx.store.original_settled(video_id, generation, until)


async def delete_outlived_originals(begin: Begin) -> int:
    """Have the originals purged whose time is over, and say how many. Safe to run twice at once."""
    given_up = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.give_up_outlived_originals(ABANDONED, ORIGINALS_AT_ONCE)
            for upload in portion:
                await tx.store.order_purge(upload.prefix, "outlived")
        given_up += len(portion)
        if len(portion) < ORIGINALS_AT_ONCE:
            return given_up


async def claim_purges(begin: Begin, owner: str) -> Sequence[Purge]:
    """Purges that are due; each is `owner`'s for a minute."""
    async with begin() as tx:
        return await tx.store.claim_purges(owner, CLAIM_SECONDS, PURGES_AT_ONCE)


async def purge(begin: Begin, objects: Objects, claimed: Purge) -> None:
    """Abort the multipart uploads below the prefix and delete the objects; later again if S3 is away. Repeatable."""
    try:
        async for multipart in objects.list_multiparts(claimed.prefix):
            await objects.abort_multipart(multipart.key, multipart.s3_upload_id)
        deleted = await objects.delete_prefix(claimed.prefix)
    except Unavailable as failure:
        log.warning("purge_postponed", prefix=claimed.prefix, attempts=claimed.attempts, reason=failure.code)
        metrics.purges.add(1, {"reason": claimed.reason, "outcome": "postponed"})
        async with begin() as tx:
            await tx.store.postpone_purge(claimed, min(2.0**claimed.attempts, LONGEST_WAIT_SECONDS))
        return
    async with begin() as tx:
        was_ours = await tx.store.finish_purge(claimed)
    if was_ours:
        metrics.purges.add(1, {"reason": claimed.reason, "outcome": "done"})
        log.info("prefix_purged", prefix=claimed.prefix, reason=claimed.reason, objects=deleted)
