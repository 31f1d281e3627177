"""The facts of upload and media, for the state of videos."""

from collections.abc import Mapping

from google.protobuf.message import Message

from chassis.clock import Clock
from chassis.consumer import Handler
from nextplay.media.v1.media_events_pb2 import (
    TranscodeCompleted,
    TranscodeFailed,
    TranscodeRetryScheduled,
    TranscodeStarted,
    VideoRejected,
)
from nextplay.upload.v1.upload_events_pb2 import (
    OriginalLost,
    UploadAborted,
    UploadCompleted,
    UploadExpired,
    UploadFailed,
    UploadStarted,
)
from services.catalog.ports import Store
from services.catalog.usecases.facts import handlers, original_lost

UPLOAD_EVENTS: tuple[type[Message], ...] = (UploadStarted, UploadCompleted, UploadAborted, UploadExpired, UploadFailed)
MEDIA_EVENTS: tuple[type[Message], ...] = (
    TranscodeStarted,
    TranscodeRetryScheduled,
    TranscodeCompleted,
    TranscodeFailed,
    VideoRejected,
)


def upload_handlers(clock: Clock) -> Mapping[type[Message], Handler[Store]]:
    """What upload tells; DeliverEvent uses the same."""
    return {**handlers(clock, UPLOAD_EVENTS), OriginalLost: original_lost(clock)}


def media_handlers(clock: Clock) -> Mapping[type[Message], Handler[Store]]:
    """What media tells."""
    return handlers(clock, MEDIA_EVENTS)
