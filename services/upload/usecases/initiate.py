"""Announces a file: a video, an S3 multipart upload, and the row that joins them."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from chassis import telemetry
from chassis.errors import Failure, Unavailable
from chassis.events import describe
from services.upload.domain.announcement import Announcement
from services.upload.domain.errors import RateLimited, UploadNotFound, VideoNotFound
from services.upload.domain.upload import Tier, Upload, original_key
from services.upload.ports import Begin, Catalog, Claim, NewUpload, Objects, Tx, Use
from services.upload.usecases import analytics, events

log = telemetry.logger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many uploads a user may start within a sliding window, and how long an upload lives."""

    initiates: int
    window: timedelta
    lifetime: timedelta


@dataclass(frozen=True)
class Initiate:
    """Who announces what, under which ids. `video_id` is that of the announcement, or a new one."""

    user_id: UUID
    tier: Tier
    upload_id: UUID
    video_id: UUID
    file: Announcement


Keep: TypeAlias = Callable[[Tx, Upload], Awaitable[None]]
"""Called in the last transaction, so that the reply is stored with what it tells."""


async def initiate_upload(
    begin: Begin,
    objects: Objects,
    catalog: Catalog,
    limits: Limits,
    command: Initiate,
    keep: Keep,
) -> Upload:
    """Start an upload; INITIATED when it returns.

    Repeatable with the same ids. A try that dies on its way leaves at most a multipart upload that nobody knows (it
    goes with the upload's or the video's prefix, or by the bucket's lifecycle), a held use that lapses after a minute,
    and a draft that is held for an upload which will not come: when the use has lapsed it cannot be accepted any more,
    and the catalog, which asks after such drafts, frees it.

    Raises RateLimited, VideoNotFound, UploadNotAllowed, the catalog's failures, Unavailable.
    """
    content_type = command.file.content_type
    s3_key = original_key(command.user_id, command.video_id, command.upload_id, content_type)
    async with _held_use(begin, limits, command) as use:
        s3_upload_id = await objects.create_multipart(s3_key, content_type, part_checksums=command.file.part_checksums)
        try:
            generation = await catalog.claim_video(_claim(command))
        except Failure:
            await _discard(objects, s3_key, s3_upload_id)
            raise
        new = _new_upload(command, generation, s3_key, s3_upload_id, limits.lifetime)
        try:
            upload = await _accept(begin, catalog, use, new, keep)
        except (VideoNotFound, RateLimited):
            # Only these: after Unavailable the transaction may have been committed, and then the parts go there.
            await _discard(objects, s3_key, s3_upload_id)
            if not await _was_overtaken(begin, command, use):
                await _give_back(catalog, new)
            raise
    if upload.s3_upload_id != s3_upload_id:
        await _discard(objects, s3_key, s3_upload_id)
    return upload


@asynccontextmanager
async def _held_use(begin: Begin, limits: Limits, command: Initiate) -> AsyncIterator[Use]:
    """Hold one of the user's uploads while the block runs, so that no effect happens beyond the limit."""
    async with begin() as tx:
        use = await tx.store.hold_use(command.user_id, command.upload_id, limits.initiates, limits.window)
    if not use.held:
        minutes = limits.window // timedelta(minutes=1)
        wait = math.ceil(use.reset_seconds)
        raise RateLimited(
            f"{limits.initiates} uploads were started in the last {minutes} minutes, which is the limit; "
            f"the next is accepted in {wait:,} seconds.",
            retry_after=wait,
        )
    try:
        yield use
    except BaseException:
        await asyncio.shield(_release_use(begin, command, use))
        raise


async def _release_use(begin: Begin, command: Initiate, use: Use) -> None:
    with suppress(Unavailable):
        async with begin() as tx:
            await tx.store.release_use(command.user_id, command.upload_id, use)


async def _was_overtaken(begin: Begin, command: Initiate, use: Use) -> bool:
    """Whether another try goes on with the same claim, or may, because the tables do not tell."""
    with suppress(Unavailable):
        async with begin() as tx:
            return await tx.store.was_overtaken(command.user_id, command.upload_id, use)
    return True


async def _accept(begin: Begin, catalog: Catalog, use: Use, new: NewUpload, keep: Keep) -> Upload:
    """The last transaction: the upload exists and counts. Then the catalog hears of it ahead of Kafka."""
    async with begin() as tx:
        if await tx.store.lock_video(new.video_id):
            raise VideoNotFound("The video was deleted.")
        if not await tx.store.accept_use(new.user_id, new.upload_id, use):
            raise RateLimited(
                "The upload took too long to start (60 seconds at most) and lost its place.", retry_after=1
            )
        upload = await tx.store.insert(new)
        if upload is None:
            return await _of_other_try(tx, new)
        event = events.started(upload)
        meta = tx.emit(event)
        tx.emit(analytics.initiated(upload))
        await keep(tx, upload)
    log.info(
        "upload_initiated",
        user_id=upload.user_id,
        video_id=upload.video_id,
        upload_id=upload.upload_id,
        file_size_bytes=upload.file_size_bytes,
        content_type=upload.content_type,
    )
    with suppress(Failure):
        delivered = await catalog.deliver(event, meta)
        async with begin() as tx:
            await tx.store.save_answer(upload.upload_id, None, delivered.sequence)
    return upload


async def _of_other_try(tx: Tx, new: NewUpload) -> Upload:
    """What another try of the same command, with the same ids, has accepted."""
    upload = await tx.store.find(new.upload_id, new.user_id)
    if upload is None:
        raise UploadNotFound
    return upload


async def _give_back(catalog: Catalog, new: NewUpload) -> None:
    """Tell the catalog that the claim came to nothing; if it does not hear, it asks."""
    event = events.not_started(new.video_id, new.upload_id, new.user_id, new.generation)
    with suppress(Failure):
        await catalog.deliver(event, describe(event))


async def _discard(objects: Objects, s3_key: str, s3_upload_id: str) -> None:
    with suppress(Unavailable):
        await objects.abort_multipart(s3_key, s3_upload_id)


def _claim(command: Initiate) -> Claim:
    return Claim(
        video_id=command.video_id,
        upload_id=command.upload_id,
        user_id=command.user_id,
        must_exist=command.file.video_id is not None,
        title=command.file.title,
        description=command.file.description,
        category=command.file.category,
        visibility=command.file.visibility,
    )


def _new_upload(command: Initiate, generation: int, s3_key: str, s3_upload_id: str, lifetime: timedelta) -> NewUpload:
    return NewUpload(
        upload_id=command.upload_id,
        video_id=command.video_id,
        user_id=command.user_id,
        generation=generation,
        tier=command.tier,
        filename=command.file.filename,
        content_type=command.file.content_type,
        file_size_bytes=command.file.file_size_bytes,
        fingerprint=command.file.fingerprint,
        s3_key=s3_key,
        s3_upload_id=s3_upload_id,
        part_checksums=command.file.part_checksums,
        lifetime=lifetime,
    )
