"""Protos of media's service, from and to what the rest of media speaks."""

from uuid import UUID

from chassis.validation import parse_uuid
from nextplay.media.v1.media_service_pb2 import GetJobStateRequest, GetJobStateResponse
from services.media.reads import LastFact


def job_name(request: GetJobStateRequest) -> tuple[UUID, int]:
    """The video and generation that are asked about. Raises InvalidArgument."""
    return parse_uuid("video_id", request.video_id), request.generation


def job_state(found: LastFact | None) -> GetJobStateResponse:
    state = GetJobStateResponse(exists=found is not None)
    if found and found.packed is not None and found.at is not None:
        state.fact.ParseFromString(found.packed)
        state.time.FromDatetime(found.at)
    return state
