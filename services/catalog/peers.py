"""Upload and media, asked over gRPC. The channels carry the deadline, the retries and our service token."""

from datetime import UTC
from uuid import UUID

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis.errors import Internal
from chassis.grpc_errors import peer_failure_from
from nextplay.media.v1 import media_events_pb2 as media
from nextplay.media.v1.media_service_pb2 import GetJobStateRequest
from nextplay.media.v1.media_service_pb2_grpc import MediaServiceStub
from nextplay.upload.v1 import upload_events_pb2 as upload
from nextplay.upload.v1.upload_service_pb2 import GetUploadStateRequest
from nextplay.upload.v1.upload_service_pb2_grpc import UploadServiceStub
from services.catalog.ports.peers import Answer, AskPeer

UPLOAD_EVENTS: tuple[type[Message], ...] = (
    upload.UploadStarted,
    upload.UploadCompleted,
    upload.UploadAborted,
    upload.UploadExpired,
    upload.UploadFailed,
)
MEDIA_EVENTS: tuple[type[Message], ...] = (
    media.TranscodeStarted,
    media.TranscodeRetryScheduled,
    media.TranscodeCompleted,
    media.TranscodeFailed,
    media.VideoRejected,
)


def upload_over_grpc(channel: grpc.aio.Channel) -> AskPeer:
    """Implements `ports.peers.AskPeer` with `GetUploadState`."""
    stub = UploadServiceStub(channel)

    async def ask(video_id: UUID, generation: int) -> Answer:
        try:
            reply = await stub.GetUploadState(GetUploadStateRequest(video_id=str(video_id), generation=generation))
        except grpc.aio.AioRpcError as error:
            raise peer_failure_from(error) from error
        if not reply.HasField("fact"):
            return Answer(known=False)
        return Answer(known=True, fact=_unpacked(reply.fact, UPLOAD_EVENTS), time=reply.time.ToDatetime(UTC))

    return ask


def media_over_grpc(channel: grpc.aio.Channel) -> AskPeer:
    """Implements `ports.peers.AskPeer` with `GetJobState`."""
    stub = MediaServiceStub(channel)

    async def ask(video_id: UUID, generation: int) -> Answer:
        try:
            reply = await stub.GetJobState(GetJobStateRequest(video_id=str(video_id), generation=generation))
        except grpc.aio.AioRpcError as error:
            raise peer_failure_from(error) from error
        if not reply.HasField("fact"):
            return Answer(known=reply.exists)
        return Answer(known=True, fact=_unpacked(reply.fact, MEDIA_EVENTS), time=reply.time.ToDatetime(UTC))

    return ask


def _unpacked(packed: Any, types: tuple[type[Message], ...]) -> Message:
    """The event in an answer. Raises Internal for one that this catalog does not know."""
    for event_type in types:
        event = event_type()
        if packed.Unpack(event):
            return event
    raise Internal(f"The answer is a {packed.TypeName()}, which the catalog does not know.")
