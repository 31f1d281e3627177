"""Publishing between messages and the domain."""

from nextplay.catalog.v1.publishing_service_pb2 import PublishVideoRequest, PublishVideoResponse
from services.catalog.domain.commands import Publication
from services.catalog.domain.video import Video
from services.catalog.mapping.videos import visibility_from
from services.catalog.usecases.events import status_message, timestamp, visibility_message


def publication_from(request: PublishVideoRequest) -> Publication:
    """Raises InvalidArgument for a number that is no visibility."""
    return Publication(
        visibility=visibility_from(request.visibility) if request.HasField("visibility") else None,
        notify_followers=request.notify_followers if request.HasField("notify_followers") else True,
        when_ready=request.when_ready,
    )


def publication_message(video: Video) -> PublishVideoResponse:
    return PublishVideoResponse(
        video_id=str(video.video_id),
        status=status_message(video.status),
        published_at=timestamp(video.published_at) if video.published_at else None,
        visibility=visibility_message(video.visibility),
        sequence=video.sequence,
    )
