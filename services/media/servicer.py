"""The gRPC method of media: parses, reads, renders."""

from typing import Any

from chassis.postgres import Pool
from nextplay.media.v1.media_service_pb2 import GetJobStateRequest, GetJobStateResponse
from nextplay.media.v1.media_service_pb2_grpc import MediaServiceServicer
from services.media import mapping, reads


class Media(MediaServiceServicer):
    """Answers other services about transcode jobs."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def GetJobState(self, request: GetJobStateRequest, context: Any) -> GetJobStateResponse:
        video_id, generation = mapping.job_name(request)
        return mapping.job_state(await reads.find_last_fact(self._pool, video_id, generation))
