"""Ends uploads that are not completed: given up, replaced, or out of time."""

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from chassis import telemetry
from chassis.errors import Failure, Unavailable
from chassis.events import EventMeta
from services.upload.domain.errors import UploadNotFound
from services.upload.domain.upload import ACTIVE, Status, Upload
from services.upload.ports import Begin, Catalog, Objects, Tx
from services.upload.usecases import analytics, events

EXPIRED_AT_ONCE = 500

log = telemetry.logger(__name__)


async def abort_upload(begin: Begin, objects: Objects, catalog: Catalog, user_id: UUID, upload_id: UUID) -> None:
    """Give an own upload up. Repeatable; an upload that expired or failed is given up already.

    The catalog is told ahead of Kafka, so that the video takes another upload at once; if it does not answer within its
    second, when the event has reached it.

    Raises UploadNotFound, and UploadNotActive for one that is COMPLETING or COMPLETED: whoever locks the row first
    wins.
    """
    meta = None
    async with begin() as tx:
        upload = await tx.store.lock(upload_id, user_id)
        if upload is None:
            raise UploadNotFound
        if upload.status in (Status.COMPLETING, Status.COMPLETED):
            upload.must_be_active()
        if upload.status in ACTIVE:
            meta = await end_by_abort(tx, upload)
    if meta is not None:
        log.info("upload_aborted", user_id=user_id, video_id=upload.video_id, upload_id=upload_id)
        with suppress(Failure):
            await catalog.deliver(events.aborted(upload), meta)
    # At once, so that nothing more is taken; the purge that was ordered repeats it if S3 is away.
    with suppress(Unavailable):
        await objects.abort_multipart(upload.s3_key, upload.s3_upload_id)


async def end_by_abort(tx: Tx, upload: Upload) -> EventMeta:
    """Mark a locked, unfinished upload ABORTED, tell it, and have what S3 holds of it purged; the meta of its event."""
    await tx.store.save(upload.aborted())
    meta = tx.emit(events.aborted(upload))
    tx.emit(analytics.aborted(upload))
    await tx.store.order_purge(upload.prefix, "aborted")
    return meta


async def expire_uploads(begin: Begin) -> int:
    """End all active uploads whose time is over, in portions, and say how many. Safe to run twice at once."""
    expired = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.expire_overdue(EXPIRED_AT_ONCE)
            for upload in portion:
                tx.emit(events.expired(upload))
                tx.emit(analytics.expired(upload))
        for upload in portion:
            log.info("upload_expired", user_id=upload.user_id, video_id=upload.video_id, upload_id=upload.upload_id)
        expired += len(portion)
        if len(portion) < EXPIRED_AT_ONCE:
            return expired


async def delete_ended_uploads(begin: Begin, days: int) -> int:
    """Delete the rows of uploads that ended without an original, `days` after they were announced; how many."""
    deleted = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.delete_ended(days, EXPIRED_AT_ONCE)
        deleted += portion
        if portion < EXPIRED_AT_ONCE:
            return deleted


async def forget_uses(begin: Begin, window: timedelta) -> int:
    """Delete the uses of initiate that the limit does not look at any more, and say how many."""
    async with begin() as tx:
        return await tx.store.forget_uses(window)
