"""Lists of videos between messages and read models."""

from collections.abc import Mapping
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument
from chassis.paging import AskedPage, Position, asked_page
from nextplay.catalog.v1.feeds_service_pb2 import DiscoverVideosRequest, GetFeedRequest
from nextplay.catalog.v1.video_pb2 import Video
from nextplay.catalog.v1.videos_service_pb2 import ListUserVideosRequest, ListVideosRequest, VideoSummary
from services.catalog.domain.video import Status
from services.catalog.domain.wording import Rules, known_category
from services.catalog.ports.playback import SignedUrl
from services.catalog.reads.lists import ListedVideo
from services.catalog.usecases.events import status_message, timestamp, visibility_message


def feed_asked(request: GetFeedRequest, user_id: UUID, key: bytes) -> AskedPage:
    """Raises InvalidArgument, as those below."""
    return asked_page(request, key=key, query=f"feed {user_id}")


def discovery_asked(request: DiscoverVideosRequest, user_id: UUID, key: bytes) -> AskedPage:
    return asked_page(request, key=key, query=f"discover {user_id} {request.category}")


def own_asked(request: ListVideosRequest, user_id: UUID, key: bytes) -> AskedPage:
    return asked_page(request, key=key, query=f"videos {user_id} {request.status} {request.category}")


def author_asked(request: ListUserVideosRequest, user_id: UUID, key: bytes) -> AskedPage:
    return asked_page(request, key=key, query=f"author {user_id} {request.user_id}")


def status_filter(request: ListVideosRequest) -> Status | None:
    """Raises InvalidArgument for a number that is no status."""
    if not request.HasField("status"):
        return None
    try:
        return Status(Video.Status.Name(request.status))
    except ValueError as error:
        rule = f"must be one of {', '.join(Status)}, is {request.status}"
        raise InvalidArgument(fields=[FieldViolation("status", rule)]) from error


def category_filter(request: ListVideosRequest | DiscoverVideosRequest, rules: Rules) -> str | None:
    """Raises InvalidArgument for a category that no video may have."""
    return known_category(rules, request.category) if request.HasField("category") else None


def by_publication(row: ListedVideo) -> Position:
    """A row's place in a list of published videos."""
    return Position(row.published_at or row.created_at, row.video_id)


def by_creation(row: ListedVideo) -> Position:
    return Position(row.created_at, row.video_id)


def summary(row: ListedVideo, signed: Mapping[str, SignedUrl]) -> VideoSummary:
    """A video with the URLs of its assets, by kind."""
    urls = {kind: asset.url for kind, asset in signed.items()}
    return VideoSummary(
        video_id=str(row.video_id),
        user_id=str(row.user_id),
        title=row.title,
        category=row.category,
        visibility=visibility_message(row.visibility),
        status=status_message(row.status),
        duration_ms=row.duration_ms,
        thumbnail_url=urls.get("THUMB"),
        preview_url=urls.get("PREVIEW"),
        hls_url=urls.get("HLS"),
        created_at=timestamp(row.created_at),
        published_at=timestamp(row.published_at) if row.published_at else None,
    )
