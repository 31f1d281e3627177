"""Makes the original of the parts, exactly once, whatever dies on the way.

The intention is written first (COMPLETING, with the parts), then S3 assembles, then the result is written. Each step
can be repeated by anybody: by the same client, by a second call at the same time, or by the job that finishes what was
left behind. Whoever writes the result first, under the row's lock, tells it; the others find it.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from chassis import telemetry
from chassis.errors import Failure
from services.upload import metrics
from services.upload.domain.errors import PartMismatch, UploadNotFound
from services.upload.domain.parts import NamedPart, parts_to_assemble
from services.upload.domain.upload import ACTIVE, UNFINISHED, PartList, Status, Upload
from services.upload.ports import (
    Begin,
    Catalog,
    InvalidPart,
    MultipartUploadNotFound,
    ObjectNotFound,
    Objects,
    PartTooSmall,
    StoredObject,
    Tx,
)
from services.upload.usecases import analytics, events
from services.upload.usecases.ending import end_by_abort

FINISHED_AT_ONCE = 100

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Answer:
    """What the caller of complete learns: where the video stands, in the words of the API, and its sequence."""

    upload: Upload
    video_status: str
    sequence: int


async def complete_upload(
    begin: Begin,
    objects: Objects,
    catalog: Catalog,
    keep_original: timedelta,
    user_id: UUID,
    upload_id: UUID,
    client: Sequence[NamedPart] | None,
) -> Answer:
    """Complete an own upload of the parts that the client names, or (None) of those that S3 holds.

    Repeatable: a completed upload gives the answer of the first time. When the catalog does not answer within its
    second, the answer is what it last confirmed, UPLOADING with its sequence, or DRAFT with 0 where it has only taken
    the claim: the upload is COMPLETED and the event reaches the catalog all the same, but a status that is read before
    need not show it. A repeat asks the catalog again.

    What is wrong with the parts changes nothing. When S3's outcome is unknown the upload stays COMPLETING and is
    finished by the next call or the job.

    Raises UploadNotFound, UploadExpired, UploadNotActive, PartsMissing, PartMismatch, PartTooSmall, InvalidArgument,
    Unavailable.
    """
    async with begin() as tx:
        upload = await tx.store.find(upload_id, user_id)
        if upload is None:
            raise UploadNotFound
        signed = await tx.store.signed_lengths(upload_id)
        checksums = await tx.store.signed_checksums(upload_id) if upload.part_checksums else None
    if upload.status in ACTIVE:
        try:
            received = await objects.list_parts(upload.s3_key, upload.s3_upload_id)
        except MultipartUploadNotFound:
            upload = await _intend(begin, upload_id, parts=())
        else:
            parts = parts_to_assemble(upload.file_size_bytes, signed, received, client, checksums)
            upload = await _intend(begin, upload_id, parts)
    if upload.status is Status.COMPLETING:
        upload = await settle(begin, objects, keep_original, upload)
    if upload.status is not Status.COMPLETED:
        upload.must_be_active()
    return await _answer(begin, catalog, upload)


async def settle(begin: Begin, objects: Objects, keep_original: timedelta, upload: Upload) -> Upload:
    """Take a COMPLETING upload to its end: COMPLETED or FAILED, or ABORTED where the video was deleted.

    Raises PartMismatch, with the upload active again, when S3 refuses the parts because one was sent anew, or is
    not the one that was signed last.
    """
    try:
        stored = await _assemble(begin, objects, upload)
    except (InvalidPart, PartTooSmall) as error:
        await _reopen(begin, upload)
        raise PartMismatch(
            "A part was sent anew while the upload was being completed"
            f"{', or has another SHA-256 than was signed last' if upload.part_checksums else ''}."
        ) from error
    return await _conclude(begin, keep_original, upload, stored)


async def settle_lost(begin: Begin, objects: Objects, keep_original: timedelta, upload: Upload) -> Upload:
    """Find out what became of an active upload that S3 does not know any more; the upload as it is now."""
    upload = await _intend(begin, upload.upload_id, parts=())
    if upload.status is not Status.COMPLETING or upload.completing_parts:
        return upload  # somebody has ended it meanwhile, or is about to
    return await settle(begin, objects, keep_original, upload)


async def finish_completing(begin: Begin, objects: Objects, keep_original: timedelta, after_seconds: float) -> int:
    """Settle what has been COMPLETING for so long, and say how many were: whoever began has died, or S3 was away.

    Safe to run twice at once and beside the caller that began. What cannot be settled now is left to a later run, after
    the others. Raises an ExceptionGroup, when all have been tried, of what nobody expected.
    """
    async with begin() as tx:
        stuck = await tx.store.completing_since(after_seconds, FINISHED_AT_ONCE)
    finished, unexpected = 0, list[Exception]()
    for upload in stuck:
        try:
            await settle(begin, objects, keep_original, upload)
            finished += 1
            continue
        except Failure as failure:
            log.warning("upload_not_finished", upload_id=upload.upload_id, reason=failure.code)
        except Exception as error:
            log.error("upload_finishing_broke", cause=error, upload_id=upload.upload_id)
            unexpected.append(error)
        async with begin() as tx:
            await tx.store.finish_later(upload.upload_id)
    if unexpected:
        raise ExceptionGroup(f"{len(unexpected)} of {len(stuck)} uploads could not be finished", unexpected)
    return finished


async def _intend(begin: Begin, upload_id: UUID, parts: PartList) -> Upload:
    """Write the intention, if the upload is still active; else the upload as somebody else has left it."""
    async with begin() as tx:
        upload = await tx.store.lock(upload_id)
        if upload is None:
            raise UploadNotFound
        if upload.status in ACTIVE:
            upload = upload.completing(parts)
            await tx.store.save(upload)
            await tx.store.save_received(upload_id, parts)
    return upload


async def _assemble(begin: Begin, objects: Objects, upload: Upload) -> StoredObject | None:
    """The object; None when S3 has neither it nor the parts. A multipart upload that is gone was completed before."""
    checksums = await _checksums(begin, upload) if upload.part_checksums else {}
    with suppress(MultipartUploadNotFound, ObjectNotFound):
        if upload.completing_parts:
            return await objects.complete_multipart(
                upload.s3_key, upload.s3_upload_id, upload.completing_parts, checksums
            )
    with suppress(ObjectNotFound):
        return await objects.head(upload.s3_key)
    return None


async def _checksums(begin: Begin, upload: Upload) -> Mapping[int, str]:
    """With what the parts were signed. Raises InvalidPart when one has none: an instance of the version before may have
    signed it, and S3 would refuse the others with it for ever."""
    async with begin() as tx:
        checksums = await tx.store.signed_checksums(upload.upload_id)
    if any(number not in checksums for number, _ in upload.completing_parts):
        raise InvalidPart
    return checksums


async def _reopen(begin: Begin, upload: Upload) -> None:
    """Let the client send parts again, unless somebody else has gone on meanwhile."""
    async with begin() as tx:
        locked = await tx.store.lock(upload.upload_id)
        if locked is not None and (locked.status, locked.completing_parts) == (upload.status, upload.completing_parts):
            await tx.store.save(locked.reopened())


async def _conclude(begin: Begin, keep_original: timedelta, upload: Upload, stored: StoredObject | None) -> Upload:
    """Write the result that S3's answer means, once."""
    async with begin() as tx:
        is_deleted = await tx.store.lock_video(upload.video_id)
        locked = await tx.store.lock(upload.upload_id)
        if locked is None:
            raise UploadNotFound
        if locked.status not in UNFINISHED:
            if locked.status is not Status.COMPLETED and stored is not None:
                await tx.store.order_purge(locked.prefix, "late")
            return locked
        if is_deleted:
            await end_by_abort(tx, locked)
            return locked.aborted()
        concluded = await _write(tx, locked, keep_original, stored)
    _report(concluded)
    return concluded


async def _write(tx: Tx, upload: Upload, keep_original: timedelta, stored: StoredObject | None) -> Upload:
    if stored is not None and stored.size_bytes == upload.file_size_bytes:
        completed = upload.completed(keep_original)
        meta = tx.emit(events.completed(completed))
        tx.emit(analytics.completed(completed))
        completed = replace(completed, completed_event_id=meta.id)
        await tx.store.save(completed)
        return completed
    failed = upload.failed_by_loss() if stored is None else upload.failed_by_size(stored.size_bytes)
    await tx.store.save(failed)
    tx.emit(events.failed(failed))
    tx.emit(analytics.failed(failed))
    await tx.store.order_purge(failed.prefix, "failed")
    return failed


def _report(upload: Upload) -> None:
    ids = {"user_id": upload.user_id, "video_id": upload.video_id, "upload_id": upload.upload_id}
    if upload.status is Status.COMPLETED:
        metrics.bytes_stored.add(upload.file_size_bytes)
        log.info("upload_completed", **ids, file_size_bytes=upload.file_size_bytes, content_type=upload.content_type)
    else:
        log.warning("upload_failed", **ids, code=upload.failure_code, reason=upload.failure_message)


async def _answer(begin: Begin, catalog: Catalog, upload: Upload) -> Answer:
    """The catalog's answer to UploadCompleted: the one that is kept, or else by handing it the event (again)."""
    if upload.catalog_status is not None:
        return Answer(upload, upload.catalog_status, upload.catalog_sequence)
    try:
        delivered = await catalog.deliver(events.completed(upload), events.completed_meta(upload))
    except Failure as failure:
        log.warning("event_not_delivered_early", upload_id=upload.upload_id, reason=failure.code)
        return Answer(upload, "UPLOADING" if upload.catalog_sequence else "DRAFT", upload.catalog_sequence)
    with suppress(Failure):
        async with begin() as tx:
            await tx.store.save_answer(upload.upload_id, delivered.status, delivered.sequence)
    return Answer(upload, delivered.status, delivered.sequence)
