"""The catalog's own events, for feeds."""

from collections.abc import Mapping
from datetime import UTC
from uuid import UUID

from google.protobuf.message import Message

from chassis.consumer import Handler
from chassis.events import EventMeta
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoHidden, VideoPublished
from nextplay.catalog.v1.video_pb2 import Video
from services.catalog.ports import Store, Tx
from services.catalog.usecases.feeds import enter_feeds, leave_feeds


async def on_video_published(event: VideoPublished, tx: Tx, meta: EventMeta) -> None:
    if event.visibility == Video.Visibility.public:
        published_at = event.published_at.ToDatetime(tzinfo=UTC)
        await enter_feeds(tx, UUID(event.video_id), UUID(event.user_id), published_at)


async def on_video_hidden(event: VideoHidden, tx: Tx, meta: EventMeta) -> None:
    await leave_feeds(tx, UUID(event.video_id))


async def on_video_deleted(event: VideoDeleted, tx: Tx, meta: EventMeta) -> None:
    await leave_feeds(tx, UUID(event.video_id))


HANDLERS: Mapping[type[Message], Handler[Store]] = {
    VideoPublished: on_video_published,
    VideoHidden: on_video_hidden,
    VideoDeleted: on_video_deleted,
}
