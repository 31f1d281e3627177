"""Signs the URLs to which parts are sent, and tells which parts have arrived."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.upload.domain.errors import UploadNotFound
from services.upload.domain.parts import PartToSign, check_parts, check_sum, missing_parts, present
from services.upload.domain.upload import ACTIVE, Status, Upload
from services.upload.ports import Begin, MultipartUploadNotFound, Objects, Part, PresignedPart
from services.upload.usecases import analytics
from services.upload.usecases.completion import settle_lost

URL_SECONDS = 600


@dataclass(frozen=True)
class SignedPart:
    """Where to send a part, until when."""

    number: int
    presigned: PresignedPart
    expires_at: datetime


@dataclass(frozen=True)
class Progress:
    """An upload with what S3 holds of it and what is missing; both are empty once it takes no parts any more."""

    upload: Upload
    received: Sequence[Part]
    missing: Sequence[int]


async def presign_parts(
    begin: Begin, objects: Objects, user_id: UUID, upload_id: UUID, parts: Sequence[PartToSign]
) -> list[SignedPart]:
    """URLs for the parts, in their order, all or none; each lives 10 minutes. The first makes the upload IN_PROGRESS.

    Raises UploadNotFound, UploadNotActive, UploadExpired, InvalidArgument.
    """
    async with begin() as tx:
        upload = await tx.store.lock(upload_id, user_id)
        if upload is None:
            raise UploadNotFound
        upload.must_take_parts()
        check_parts(upload.file_size_bytes, parts, part_checksums=upload.part_checksums)
        before = await tx.store.sign_parts(upload_id, parts)
        check_sum(upload.file_size_bytes, before, parts)
        if upload.status is Status.INITIATED:
            await tx.store.save(upload.signed())
            tx.emit(analytics.first_part_signed(upload))
    expires_at = upload.read_at + timedelta(seconds=URL_SECONDS)
    return [SignedPart(part.number, await _presign(objects, upload, part), expires_at) for part in parts]


async def get_upload(
    begin: Begin, objects: Objects, keep_original: timedelta, user_id: UUID, upload_id: UUID
) -> Progress:
    """An own upload by S3's own list of its parts; what `upload_parts` says of them follows that.

    An active upload whose parts S3 has lost is FAILED when this returns. Raises UploadNotFound, Unavailable.
    """
    async with begin() as tx:
        upload = await tx.store.find(upload_id, user_id)
        if upload is None:
            raise UploadNotFound
        signed = await tx.store.signed_lengths(upload_id)
    if upload.status not in ACTIVE:
        return Progress(upload, (), ())
    try:
        received = present(await objects.list_parts(upload.s3_key, upload.s3_upload_id), signed)
    except MultipartUploadNotFound:
        return Progress(await settle_lost(begin, objects, keep_original, upload), (), ())
    async with begin() as tx:
        await tx.store.save_received(upload_id, tuple((part.number, part.etag) for part in received))
    return Progress(upload, received, missing_parts(upload.file_size_bytes, signed, received))


async def _presign(objects: Objects, upload: Upload, part: PartToSign) -> PresignedPart:
    return await objects.presign_part(
        upload.s3_key,
        upload.s3_upload_id,
        part.number,
        content_length=part.content_length,
        content_type=upload.content_type,
        expires_seconds=URL_SECONDS,
        checksum_sha256=part.checksum_sha256,
    )
