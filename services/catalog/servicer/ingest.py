"""The door of the upload service."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.consumer import Handler
from nextplay.catalog.v1.ingest_service_pb2 import (
    ClaimVideoForUploadRequest,
    ClaimVideoForUploadResponse,
    DeliverEventRequest,
    DeliverEventResponse,
)
from nextplay.catalog.v1.ingest_service_pb2_grpc import IngestServiceServicer
from services.catalog.mapping import ingest as mapping
from services.catalog.ports import Begin, Store
from services.catalog.usecases import ingest as usecases


class Ingest(IngestServiceServicer):
    """Internal calls of the upload service; `handlers` are those of its events."""

    def __init__(self, begin: Begin, handlers: Mapping[type[Message], Handler[Store]], clock: Clock) -> None:
        self._begin = begin
        self._handlers = handlers
        self._clock = clock

    async def ClaimVideoForUpload(
        self, request: ClaimVideoForUploadRequest, context: Any
    ) -> ClaimVideoForUploadResponse:
        claimant = mapping.claimant_from(request)
        async with self._begin() as tx:
            generation = await usecases.claim_video(tx, claimant, self._clock())
        return ClaimVideoForUploadResponse(generation=generation)

    async def DeliverEvent(self, request: DeliverEventRequest, context: Any) -> DeliverEventResponse:
        meta = mapping.meta_from(request)
        video = await usecases.deliver_event(self._begin, self._handlers, meta, request.payload)
        return mapping.delivered_message(video)
