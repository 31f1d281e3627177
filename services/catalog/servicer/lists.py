"""Lists of videos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.auth import current_user
from chassis.paging import AskedPage, Position
from chassis.postgres import Database
from chassis.validation import parse_uuid
from nextplay.catalog.v1.videos_service_pb2 import (
    ListUserVideosRequest,
    ListUserVideosResponse,
    ListVideosRequest,
    ListVideosResponse,
    VideoSummary,
)
from services.catalog.mapping import lists as mapping
from services.catalog.ports.playback import SignAsset
from services.catalog.reads import lists as reads
from services.catalog.usecases.playback import sign_assets


@dataclass(frozen=True)
class Lists:
    """The methods of VideoService that list videos."""

    database: Database
    link: SignAsset

    async def ListVideos(self, request: ListVideosRequest, context: Any) -> ListVideosResponse:
        user_id = current_user().user_id
        asked = mapping.own_asked(request, user_id)
        status = mapping.status_filter(request)
        category = request.category if request.HasField("category") else None
        rows = await reads.list_own(self.database, user_id, status, category, asked.after, asked.limit)
        videos, token = await summaries(asked, rows, mapping.by_creation, self.link)
        return ListVideosResponse(videos=videos, next_page_token=token)

    async def ListUserVideos(self, request: ListUserVideosRequest, context: Any) -> ListUserVideosResponse:
        author_id = parse_uuid("user_id", request.user_id)
        asked = mapping.author_asked(request)
        rows = await reads.list_of_author(self.database, author_id, asked.after, asked.limit)
        videos, token = await summaries(asked, rows, mapping.by_publication, self.link)
        return ListUserVideosResponse(videos=videos, next_page_token=token)


async def summaries(
    asked: AskedPage, rows: Sequence[reads.ListedVideo], order: Callable[[reads.ListedVideo], Position], link: SignAsset
) -> tuple[list[VideoSummary], str]:
    """The videos of a page with their URLs, and the token of the next page."""
    page, token = asked.cut(rows, order)
    return [
        mapping.summary(row, await sign_assets(link, row.video_id, row.status, row.visibility, row.asset_keys))
        for row in page
    ], token
