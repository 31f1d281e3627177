"""Feeds."""

from dataclasses import dataclass, field
from typing import Any

from chassis.auth import current_user
from chassis.postgres import Database
from nextplay.catalog.v1.feeds_service_pb2 import (
    DiscoverVideosRequest,
    DiscoverVideosResponse,
    GetFeedRequest,
    GetFeedResponse,
)
from nextplay.catalog.v1.feeds_service_pb2_grpc import FeedServiceServicer
from services.catalog.domain.wording import Rules
from services.catalog.mapping import lists as mapping
from services.catalog.ports.playback import SignAsset
from services.catalog.reads import lists as reads
from services.catalog.servicer.lists import summaries


@dataclass(frozen=True)
class Feeds(FeedServiceServicer):
    """Reads feeds."""

    database: Database
    sign: SignAsset
    rules: Rules
    page_key: bytes = field(repr=False)

    async def GetFeed(self, request: GetFeedRequest, context: Any) -> GetFeedResponse:
        user_id = current_user().user_id
        asked = mapping.feed_asked(request, user_id, self.page_key)
        rows = await reads.list_feed(self.database, user_id, asked.after, asked.limit)
        videos, token = await summaries(asked, rows, mapping.by_publication, self.sign)
        return GetFeedResponse(videos=videos, next_page_token=token)

    async def DiscoverVideos(self, request: DiscoverVideosRequest, context: Any) -> DiscoverVideosResponse:
        asked = mapping.discovery_asked(request, current_user().user_id, self.page_key)
        category = mapping.category_filter(request, self.rules)
        rows = await reads.discover(self.database, category, asked.after, asked.limit)
        videos, token = await summaries(asked, rows, mapping.by_publication, self.sign)
        return DiscoverVideosResponse(videos=videos, next_page_token=token)
