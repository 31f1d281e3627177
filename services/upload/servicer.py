"""The gRPC methods of upload: each parses, calls and renders."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.auth import current_user
from chassis.clock import Clock, NewId
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, Reserved, reserve, store_reply
from chassis.postgres import Pool, acquire
from chassis.validation import parse_uuid
from nextplay.upload.v1 import upload_service_pb2 as pb
from nextplay.upload.v1.upload_service_pb2_grpc import UploadServiceServicer
from services.upload import mapping, metrics, reads
from services.upload.domain.announcement import Announcement, Rules
from services.upload.domain.upload import Upload
from services.upload.ports import Begin, Catalog, Objects, Tx
from services.upload.usecases import events
from services.upload.usecases.completion import complete_upload
from services.upload.usecases.ending import abort_upload
from services.upload.usecases.initiate import Initiate, Limits, initiate_upload
from services.upload.usecases.signing import get_upload, presign_parts


@dataclass(frozen=True)
class Uploads(UploadServiceServicer):
    """The uploads of the caller; `keep_original` is how long an original is kept after its transcode."""

    pool: Pool
    begin: Begin
    objects: Objects
    catalog: Catalog
    rules: Rules
    limits: Limits
    keep_original: timedelta
    page_key: bytes = field(repr=False)
    clock: Clock
    new_id: NewId

    async def InitiateUpload(self, request: pb.InitiateUploadRequest, context: Any) -> pb.InitiateUploadResponse:
        user_id = current_user().user_id
        with metrics.counted_initiate():
            file = mapping.announcement(request, self.rules)
            async with reserve(
                self.pool,
                key=idempotency_key(),
                user_id=user_id,
                method="InitiateUpload",
                request=request,
                reply_type=pb.InitiateUploadResponse,
                ids={"upload_id": self.new_id(), "video_id": file.video_id or self.new_id()},
            ) as outcome:
                return outcome.reply if isinstance(outcome, Replay) else await self._initiate(file, outcome)

    async def _initiate(self, file: Announcement, reserved: Reserved) -> pb.InitiateUploadResponse:
        async def keep(tx: Tx, upload: Upload) -> None:
            await store_reply(tx.connection, reserved, mapping.initiated(upload))

        user = current_user()
        command = Initiate(user.user_id, user.tier, reserved.ids["upload_id"], reserved.ids["video_id"], file)
        upload = await initiate_upload(self.begin, self.objects, self.catalog, self.limits, command, keep)
        return mapping.initiated(upload)

    async def PresignPart(self, request: pb.PresignPartRequest, context: Any) -> pb.PresignPartResponse:
        user_id, upload_id = current_user().user_id, parse_uuid("upload_id", request.upload_id)
        part = mapping.part_to_sign(request)
        async with self._signing(user_id, "PresignPart", request, pb.PresignPartResponse()):
            [signed] = await presign_parts(self.begin, self.objects, user_id, upload_id, [part])
        return mapping.signed_part(signed)

    async def PresignParts(self, request: pb.PresignPartsRequest, context: Any) -> pb.PresignPartsResponse:
        user_id, upload_id = current_user().user_id, parse_uuid("upload_id", request.upload_id)
        parts = mapping.parts_to_sign(request)
        async with self._signing(user_id, "PresignParts", request, pb.PresignPartsResponse()):
            signed = await presign_parts(self.begin, self.objects, user_id, upload_id, parts)
        return pb.PresignPartsResponse(
            parts=[mapping.signed_part(part) for part in signed], server_time=events.timestamp(self.clock())
        )

    @asynccontextmanager
    async def _signing(self, user_id: UUID, method: str, request: Message, empty: Message) -> AsyncIterator[None]:
        """Reserve the call's Idempotency-Key and keep an `empty` reply by it, because URLs are never stored: a repeat
        signs anew."""
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method=method,
            request=request,
            reply_type=type(empty),
            ids={},
        ) as outcome:
            yield
            if isinstance(outcome, Reserved) and outcome.key is not None:
                async with acquire(self.pool) as connection:
                    await store_reply(connection, outcome, empty)

    async def GetUpload(self, request: pb.GetUploadRequest, context: Any) -> pb.GetUploadResponse:
        user_id, upload_id = current_user().user_id, parse_uuid("upload_id", request.upload_id)
        seen = await get_upload(self.begin, self.objects, self.keep_original, user_id, upload_id)
        return mapping.progress(seen, self.clock())

    async def ListUploads(self, request: pb.ListUploadsRequest, context: Any) -> pb.ListUploadsResponse:
        user_id = current_user().user_id
        asked, fingerprint = mapping.uploads_asked(request, user_id, self.page_key)
        uploads = await reads.list_unfinished(self.pool, user_id, fingerprint, asked.after, asked.limit)
        return mapping.uploads_page(asked, uploads)

    async def CompleteUpload(self, request: pb.CompleteUploadRequest, context: Any) -> pb.CompleteUploadResponse:
        user_id, upload_id = current_user().user_id, parse_uuid("upload_id", request.upload_id)
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method="CompleteUpload",
            request=request,
            reply_type=pb.CompleteUploadResponse,
            ids={},
        ) as outcome:
            if isinstance(outcome, Replay):
                return outcome.reply
            parts = mapping.named_parts(request)
            answer = await complete_upload(
                self.begin, self.objects, self.catalog, self.keep_original, user_id, upload_id, parts
            )
            reply = mapping.completed(answer)
            # Not in complete's transaction, because the catalog answers after it; who dies here answers the same again.
            async with acquire(self.pool) as connection:
                await store_reply(connection, outcome, reply)
            return reply

    async def AbortUpload(self, request: pb.AbortUploadRequest, context: Any) -> pb.AbortUploadResponse:
        user_id, upload_id = current_user().user_id, parse_uuid("upload_id", request.upload_id)
        await abort_upload(self.begin, self.objects, self.catalog, user_id, upload_id)
        return pb.AbortUploadResponse()

    async def GetUploadState(self, request: pb.GetUploadStateRequest, context: Any) -> pb.GetUploadStateResponse:
        video_id = parse_uuid("video_id", request.video_id)
        return mapping.upload_state(await reads.find_generation(self.pool, video_id, request.generation))
