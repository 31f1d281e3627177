"""The lossy signals of media: how far runs are, and how fast the queue moves."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.events import EventMeta
from nextplay.media.v1.media_signals_pb2 import QueueObserved, TranscodeProgressed
from services.catalog.domain.outlook import RunProgress
from services.catalog.ports import Begin


def signal_handlers(
    begin: Begin, on_pace: Callable[[float], None]
) -> Mapping[type[Message], Callable[[Any, EventMeta], Awaitable[None]]]:
    """Progress is kept with the video; the pace (jobs a minute) is told to `on_pace`."""

    async def on_transcode_progressed(event: TranscodeProgressed, meta: EventMeta) -> None:
        remaining = event.remaining_seconds if event.HasField("remaining_seconds") else None
        progress = RunProgress(min(event.percent, 100), remaining, meta.time)
        async with begin() as tx:
            await tx.store.videos.note_progress(UUID(event.video_id), event.generation, progress)

    async def on_queue_observed(event: QueueObserved, meta: EventMeta) -> None:
        on_pace(event.jobs_per_minute)

    return {TranscodeProgressed: on_transcode_progressed, QueueObserved: on_queue_observed}
