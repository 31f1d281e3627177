"""Videos: single ones, and lists of them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from chassis.auth import current_user
from chassis.clock import Clock
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, reserve, store_reply
from chassis.postgres import Database
from chassis.validation import parse_uuid
from nextplay.catalog.v1.videos_service_pb2 import (
    DeleteVideoRequest,
    DeleteVideoResponse,
    GetVideoRequest,
    GetVideoResponse,
    GetVideoStatusRequest,
    GetVideoStatusResponse,
    GetVideoTimelineRequest,
    GetVideoTimelineResponse,
    ListUserVideosRequest,
    ListUserVideosResponse,
    ListVideosRequest,
    ListVideosResponse,
    RetryVideoRequest,
    RetryVideoResponse,
    UpdateVideoRequest,
    UpdateVideoResponse,
    WatchVideoRequest,
    WatchVideoResponse,
)
from nextplay.catalog.v1.videos_service_pb2_grpc import VideoServiceServicer
from services.catalog.domain.wording import Rules
from services.catalog.mapping import lists as mapping_lists
from services.catalog.mapping import videos as mapping
from services.catalog.ports import Begin
from services.catalog.ports.playback import SignAsset
from services.catalog.reads import lists, videos
from services.catalog.reads.forecast import Forecast
from services.catalog.reads.status import Statuses
from services.catalog.reads.watching import Watchers
from services.catalog.servicer.lists import summaries
from services.catalog.usecases import lifecycle
from services.catalog.usecases.playback import sign_assets


@dataclass(frozen=True)
class Videos(VideoServiceServicer):
    """Reads, lists and changes videos."""

    database: Database
    statuses: Statuses
    begin: Begin
    watchers: Watchers
    forecast: Forecast
    sign: SignAsset
    rules: Rules
    clock: Clock
    page_key: bytes = field(repr=False)

    async def GetVideo(self, request: GetVideoRequest, context: Any) -> GetVideoResponse:
        viewer = current_user().user_id
        seen = await videos.read_video(self.database, parse_uuid("video_id", request.video_id), viewer)
        video, keys = seen.video, {asset.kind: asset.s3_key for asset in seen.assets}
        signed = await sign_assets(self.sign, video.video_id, video.status, video.visibility, keys)
        return mapping.video_message(seen, viewer, signed, self.clock())

    async def GetVideoStatus(self, request: GetVideoStatusRequest, context: Any) -> GetVideoStatusResponse:
        video_id = parse_uuid("video_id", request.video_id)
        standing = await self.statuses.read(video_id, current_user().user_id, request.min_sequence)
        return mapping.status_message_of(standing, self.forecast.outlook, self.clock())

    async def WatchVideo(self, request: WatchVideoRequest, context: Any) -> AsyncGenerator[WatchVideoResponse, None]:
        video_id = parse_uuid("video_id", request.video_id)
        present = await self.statuses.read(video_id, current_user().user_id, request.after_sequence)
        async with aclosing(self.watchers.watch(present, request.after_sequence)) as standings:
            async for standing in standings:
                yield mapping.watched_message(standing, self.forecast.outlook, self.clock())

    async def GetVideoTimeline(self, request: GetVideoTimelineRequest, context: Any) -> GetVideoTimelineResponse:
        video_id = parse_uuid("video_id", request.video_id)
        entries = await videos.read_timeline(self.database, video_id, current_user().user_id)
        return mapping.timeline_message(entries)

    async def ListVideos(self, request: ListVideosRequest, context: Any) -> ListVideosResponse:
        user_id = current_user().user_id
        asked = mapping_lists.own_asked(request, user_id, self.page_key)
        category_asked = mapping_lists.category_filter(request, self.rules)
        status_asked = mapping_lists.status_filter(request)
        rows = await lists.list_own(self.database, user_id, status_asked, category_asked, asked.after, asked.limit)
        listed, token = await summaries(asked, rows, mapping_lists.by_creation, self.sign)
        return ListVideosResponse(videos=listed, next_page_token=token)

    async def ListUserVideos(self, request: ListUserVideosRequest, context: Any) -> ListUserVideosResponse:
        author_id = parse_uuid("user_id", request.user_id)
        asked = mapping_lists.author_asked(request, current_user().user_id, self.page_key)
        rows = await lists.list_of_author(self.database, author_id, asked.after, asked.limit)
        listed, token = await summaries(asked, rows, mapping_lists.by_publication, self.sign)
        return ListUserVideosResponse(videos=listed, next_page_token=token)

    async def UpdateVideo(self, request: UpdateVideoRequest, context: Any) -> UpdateVideoResponse:
        video_id = parse_uuid("video_id", request.video_id)
        change = mapping.change_from(request, self.rules)
        async with self.begin() as tx:
            video = await lifecycle.update_video(tx, video_id, current_user().user_id, change, self.clock())
        return mapping.updated_message(video)

    async def RetryVideo(self, request: RetryVideoRequest, context: Any) -> RetryVideoResponse:
        user_id = current_user().user_id
        video_id = parse_uuid("video_id", request.video_id)
        async with reserve(
            self.database.primary,
            key=idempotency_key(),
            user_id=user_id,
            method="RetryVideo",
            request=request,
            reply_type=RetryVideoResponse,
            ids={},
        ) as reserved:
            if isinstance(reserved, Replay):
                return reserved.reply
            async with self.begin() as tx:
                video = await lifecycle.retry_video(tx, video_id, user_id)
                reply = mapping.retried_message(video)
                await store_reply(tx.connection, reserved, reply)
        return reply

    async def DeleteVideo(self, request: DeleteVideoRequest, context: Any) -> DeleteVideoResponse:
        video_id = parse_uuid("video_id", request.video_id)
        async with self.begin() as tx:
            await lifecycle.delete_video(tx, video_id, current_user().user_id, self.clock())
        return DeleteVideoResponse()
