"""Which event leads to which use case."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from google.protobuf.message import Message

from chassis.consumer import Handler
from chassis.events import EventMeta
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoRetryRequested
from nextplay.media.v1.media_events_pb2 import TranscodeCompleted, TranscodeFailed, VideoRejected
from services.upload.ports import Store, Tx
from services.upload.usecases import purging

CONSUMED: tuple[type[Message], ...] = (
    VideoRejected,
    TranscodeCompleted,
    TranscodeFailed,
    VideoRetryRequested,
    VideoDeleted,
)


def handlers(keep_original: timedelta, last_upload_ends: timedelta) -> Mapping[type[Message], Handler[Store]]:
    """What is done about each event. An original is kept for `keep_original` after its transcode; every upload that
    exists now, and every URL signed for it, has ended after `last_upload_ends`."""

    async def on_video_rejected(event: VideoRejected, tx: Tx, meta: EventMeta) -> None:
        await purging.drop_rejected_original(tx, UUID(event.upload_id))

    async def on_transcode_ended(event: TranscodeCompleted | TranscodeFailed, tx: Tx, meta: EventMeta) -> None:
        await purging.let_original_age(tx, UUID(event.video_id), event.generation, meta.time + keep_original)

    async def on_video_retry_requested(event: VideoRetryRequested, tx: Tx, meta: EventMeta) -> None:
        until = meta.time + keep_original
        await purging.keep_original_for_retry(tx, UUID(event.upload_id), event.generation, until)

    async def on_video_deleted(event: VideoDeleted, tx: Tx, meta: EventMeta) -> None:
        await purging.forget_video(tx, UUID(event.video_id), UUID(event.user_id), last_upload_ends)

    return {
        VideoRejected: on_video_rejected,
        TranscodeCompleted: on_transcode_ended,
        TranscodeFailed: on_transcode_ended,
        VideoRetryRequested: on_video_retry_requested,
        VideoDeleted: on_video_deleted,
    }
