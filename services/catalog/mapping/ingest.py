"""Upload's calls between messages and the domain."""

from datetime import UTC

from chassis.errors import FieldViolation, InvalidArgument
from chassis.events import EventMeta
from chassis.validation import parse_uuid
from nextplay.catalog.v1.ingest_service_pb2 import (
    ClaimVideoForUploadRequest,
    DeliverEventRequest,
    DeliverEventResponse,
)
from services.catalog.domain.commands import Description
from services.catalog.domain.video import Video
from services.catalog.mapping.videos import visibility_from
from services.catalog.usecases.events import status_message
from services.catalog.usecases.ingest import Claimant


def claimant_from(request: ClaimVideoForUploadRequest) -> Claimant:
    """Raises InvalidArgument. The texts are as upload has checked them."""
    if not request.title:
        raise InvalidArgument(fields=[FieldViolation("title", "is missing")])
    return Claimant(
        video_id=parse_uuid("video_id", request.video_id),
        upload_id=parse_uuid("upload_id", request.upload_id),
        user_id=parse_uuid("user_id", request.user_id),
        must_exist=request.must_exist,
        told=Description(request.title, request.description, request.category, visibility_from(request.visibility)),
    )


def meta_from(request: DeliverEventRequest) -> EventMeta:
    """Raises InvalidArgument."""
    return EventMeta(
        id=parse_uuid("event_id", request.event_id),
        type=request.event_type,
        source="/nextplay/upload",
        time=request.event_time.ToDatetime(UTC),
    )


def delivered_message(video: Video) -> DeliverEventResponse:
    return DeliverEventResponse(status=status_message(video.status), sequence=video.sequence)
