"""Which event leads to which use case."""

from collections.abc import Mapping
from uuid import UUID

from google.protobuf.message import Message

from chassis.clock import new_id
from chassis.consumer import Handler
from chassis.events import EventMeta
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoRetryRequested
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted
from services.media.domain.job import HEAD_STARTS, Job
from services.media.ports import Store, Tx
from services.media.usecases import jobs


async def on_upload_completed(event: UploadCompleted, tx: Tx, meta: EventMeta) -> None:
    await jobs.request_transcode(tx, _job(event))


async def on_video_retry_requested(event: VideoRetryRequested, tx: Tx, meta: EventMeta) -> None:
    await jobs.request_transcode(tx, _job(event))


async def on_video_deleted(event: VideoDeleted, tx: Tx, meta: EventMeta) -> None:
    await jobs.forget_video(tx, UUID(event.video_id), UUID(event.user_id))


HANDLERS: Mapping[type[Message], Handler[Store]] = {
    UploadCompleted: on_upload_completed,
    VideoRetryRequested: on_video_retry_requested,
    VideoDeleted: on_video_deleted,
}


def _job(event: UploadCompleted | VideoRetryRequested) -> Job:
    return Job(
        job_id=new_id(),
        video_id=UUID(event.video_id),
        generation=event.generation,
        upload_id=UUID(event.upload_id),
        user_id=UUID(event.user_id),
        # A tier that a newer producer knows is served like the one without a claim.
        tier=event.tier if event.tier in HEAD_STARTS else "free",
        input_s3_key=event.input_s3_key,
        size_bytes=event.size_bytes,
    )
