"""The catalog, over gRPC. The channel carries the deadline, the retries and our service token."""

import grpc
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.events import EventMeta
from chassis.grpc_errors import peer_failure_from
from nextplay.catalog.v1.ingest_service_pb2 import ClaimVideoForUploadRequest, DeliverEventRequest
from nextplay.catalog.v1.ingest_service_pb2_grpc import IngestServiceStub
from nextplay.catalog.v1.video_pb2 import Video
from services.upload.ports import Claim, Delivered

DELIVER_SECONDS = 1.0
"""A caller waits no longer to read its own write; Kafka delivers all the same."""


class CatalogOverGrpc:
    """Implements `ports.Catalog` with IngestService."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = IngestServiceStub(channel)

    async def claim_video(self, claim: Claim) -> int:
        request = ClaimVideoForUploadRequest(
            video_id=str(claim.video_id),
            upload_id=str(claim.upload_id),
            user_id=str(claim.user_id),
            must_exist=claim.must_exist,
            title=claim.title,
            description=claim.description,
            category=claim.category,
            visibility=Video.Visibility.Value(claim.visibility),
        )
        try:
            reply = await self._stub.ClaimVideoForUpload(request)
        except grpc.aio.AioRpcError as error:
            raise peer_failure_from(error) from error
        return reply.generation

    async def deliver(self, event: Message, meta: EventMeta) -> Delivered:
        time = Timestamp()
        time.FromDatetime(meta.time)
        request = DeliverEventRequest(
            event_id=str(meta.id), event_type=meta.type, event_time=time, payload=event.SerializeToString()
        )
        try:
            reply = await self._stub.DeliverEvent(request, timeout=DELIVER_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise peer_failure_from(error) from error
        return Delivered(Video.Status.Name(reply.status), reply.sequence)
