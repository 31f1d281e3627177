"""Between messages and what the use cases know."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.any_pb2 import Any

from chassis.errors import FieldViolation, InvalidArgument
from chassis.paging import AskedPage, Position, asked_page
from chassis.validation import parse_uuid
from nextplay.catalog.v1.video_pb2 import Video
from nextplay.upload.v1 import upload_service_pb2 as pb
from services.upload.domain.announcement import Announcement, Rules, announce
from services.upload.domain.parts import SUGGESTED_PART_BYTES, NamedPart, PartToSign, suggested_count
from services.upload.domain.upload import Upload
from services.upload.usecases.completion import Answer
from services.upload.usecases.events import latest_fact, timestamp
from services.upload.usecases.signing import Progress, SignedPart


def announcement(request: pb.InitiateUploadRequest, rules: Rules) -> Announcement:
    """Raises InvalidArgument with everything that is wrong, UnsupportedContentType, FileTooLarge."""
    found: Sequence[FieldViolation] = ()
    video_id = None
    try:
        video_id = parse_uuid("video_id", request.video_id) if request.HasField("video_id") else None
    except InvalidArgument as failure:
        found = failure.fields
    return announce(
        rules,
        title=request.title,
        description=request.description,
        category=request.category,
        visibility=_visibility(request) if request.HasField("visibility") else "public",
        filename=request.filename,
        content_type=request.content_type,
        file_size_bytes=request.file_size_bytes,
        fingerprint=request.fingerprint if request.HasField("fingerprint") else None,
        video_id=video_id,
        part_checksums=request.part_checksums,
        found=found,
    )


def initiated(upload: Upload) -> pb.InitiateUploadResponse:
    """The same reply whenever it is made of the same upload, so that a stored one equals the one that was sent."""
    return pb.InitiateUploadResponse(
        upload_id=str(upload.upload_id),
        video_id=str(upload.video_id),
        s3_upload_id=upload.s3_upload_id,
        part_size_bytes=SUGGESTED_PART_BYTES,
        part_count=suggested_count(upload.file_size_bytes),
        expires_at=timestamp(upload.expires_at),
        server_time=timestamp(upload.read_at),
    )


def part_to_sign(request: pb.PresignPartRequest | pb.PartToSign, field: str = "") -> PartToSign:
    checksum = request.checksum_sha256 if request.HasField("checksum_sha256") else None
    return PartToSign(request.part_number, request.content_length, checksum, field)


def parts_to_sign(request: pb.PresignPartsRequest) -> list[PartToSign]:
    return [part_to_sign(part, f"parts[{index}].") for index, part in enumerate(request.parts)]


def signed_part(signed: SignedPart) -> pb.PresignPartResponse:
    return pb.PresignPartResponse(
        part_number=signed.number,
        presigned_url=signed.presigned.url,
        headers=[pb.Header(name=name, value=value) for name, value in signed.presigned.headers.items()],
        expires_at=timestamp(signed.expires_at),
    )


def progress(seen: Progress, now: datetime) -> pb.GetUploadResponse:
    upload = seen.upload
    return pb.GetUploadResponse(
        upload_id=str(upload.upload_id),
        video_id=str(upload.video_id),
        status=pb.Upload.Status.Value(upload.status),
        filename=upload.filename,
        content_type=upload.content_type,
        file_size_bytes=upload.file_size_bytes,
        part_size_bytes=SUGGESTED_PART_BYTES,
        part_count=suggested_count(upload.file_size_bytes),
        parts_received=[
            pb.ReceivedPart(part_number=part.number, size_bytes=part.size_bytes, etag=f'"{part.etag}"')
            for part in seen.received
        ],
        parts_missing=seen.missing,
        created_at=timestamp(upload.created_at),
        expires_at=timestamp(upload.expires_at),
        completed_at=timestamp(upload.completed_at),
        fingerprint=upload.fingerprint,
        server_time=timestamp(now),
        part_checksums=upload.part_checksums,
    )


def uploads_asked(request: pb.ListUploadsRequest, user_id: UUID, key: bytes) -> tuple[AskedPage, str | None]:
    """The page, and the fingerprint that its uploads have (None: any). Raises InvalidArgument."""
    fingerprint = request.fingerprint if request.HasField("fingerprint") else None
    return asked_page(request, key=key, query=f"uploads {user_id} {fingerprint}"), fingerprint


def uploads_page(asked: AskedPage, uploads: Sequence[Upload]) -> pb.ListUploadsResponse:
    page, token = asked.cut(uploads, lambda upload: Position(upload.created_at, upload.upload_id))
    return pb.ListUploadsResponse(uploads=[_summary(upload) for upload in page], next_page_token=token)


def named_parts(request: pb.CompleteUploadRequest) -> list[NamedPart] | None:
    """None where the client names no parts, so that S3's list counts."""
    return [NamedPart(part.part_number, part.etag.strip().strip('"')) for part in request.parts] or None


def completed(answer: Answer) -> pb.CompleteUploadResponse:
    return pb.CompleteUploadResponse(
        video_id=str(answer.upload.video_id),
        status=Video.Status.Value(answer.video_status),
        sequence=answer.sequence,
    )


def upload_state(upload: Upload | None) -> pb.GetUploadStateResponse:
    if upload is None:
        return pb.GetUploadStateResponse()
    event, time = latest_fact(upload)
    fact = Any()
    fact.Pack(event)
    return pb.GetUploadStateResponse(fact=fact, time=timestamp(time))


def _summary(upload: Upload) -> pb.UploadSummary:
    return pb.UploadSummary(
        upload_id=str(upload.upload_id),
        video_id=str(upload.video_id),
        status=pb.Upload.Status.Value(upload.status),
        filename=upload.filename,
        file_size_bytes=upload.file_size_bytes,
        fingerprint=upload.fingerprint,
        created_at=timestamp(upload.created_at),
        expires_at=timestamp(upload.expires_at),
    )


def _visibility(request: pb.InitiateUploadRequest) -> str:
    number = request.visibility
    return Video.Visibility.Name(number) if number in Video.Visibility.values() else str(number)
