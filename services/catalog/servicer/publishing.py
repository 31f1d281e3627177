"""Publishing."""

from typing import Any

from chassis.auth import current_user
from chassis.clock import Clock
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, reserve, store_reply
from chassis.postgres import Pool
from chassis.validation import parse_uuid
from nextplay.catalog.v1.publishing_service_pb2 import PublishVideoRequest, PublishVideoResponse
from nextplay.catalog.v1.publishing_service_pb2_grpc import PublishingServiceServicer
from services.catalog.mapping import publishing as mapping
from services.catalog.ports import Begin
from services.catalog.usecases.publishing import publish_video


class Publishing(PublishingServiceServicer):
    """Publishes videos."""

    def __init__(self, pool: Pool, begin: Begin, clock: Clock) -> None:
        self._pool = pool
        self._begin = begin
        self._clock = clock

    async def PublishVideo(self, request: PublishVideoRequest, context: Any) -> PublishVideoResponse:
        user_id = current_user().user_id
        video_id = parse_uuid("video_id", request.video_id)
        asked = mapping.publication_from(request)
        async with reserve(
            self._pool,
            key=idempotency_key(),
            user_id=user_id,
            method="PublishVideo",
            request=request,
            reply_type=PublishVideoResponse,
            ids={},
        ) as reserved:
            if isinstance(reserved, Replay):
                return reserved.reply
            async with self._begin() as tx:
                video = await publish_video(tx, video_id, user_id, asked, self._clock())
                reply = mapping.publication_message(video)
                await store_reply(tx.connection, reserved, reply)
        return reply
