"""Which event leads to which use case."""

from collections.abc import Mapping
from uuid import UUID

from google.protobuf.message import Message

from chassis.consumer import Handler
from chassis.events import EventMeta
from nextplay.catalog.v1.catalog_events_pb2 import (
    UserUnfollowed,
    VideoDeleted,
    VideoHidden,
    VideoPublished,
    VideoStatusChanged,
)
from nextplay.catalog.v1.video_pb2 import Video
from services.notify.domain.notification import Outcome, Publication, Reason
from services.notify.domain.webhook_events import DELETED, HIDDEN, PUBLISHED, TYPE_OF_STATUS, VideoState, video_event
from services.notify.ports import Store, Tx
from services.notify.usecases import fanouts, outcomes, preferences
from services.notify.usecases.webhook_deliveries import tell_endpoints


async def on_video_status_changed(event: VideoStatusChanged, tx: Tx, meta: EventMeta) -> None:
    reason = event.reason
    outcome = Outcome(
        video_id=UUID(event.video_id),
        owner_id=UUID(event.user_id),
        video_title=event.title,
        generation=event.generation,
        status=Video.Status.Name(event.to_status),
        reason=Reason(reason.code, reason.message, reason.next_action) if event.HasField("reason") else None,
    )
    await outcomes.tell_owner(tx, outcome)
    if event_type := TYPE_OF_STATUS.get(outcome.status):
        video = VideoState(
            event.video_id, event.title, outcome.status, event.sequence, event.generation, reason=outcome.reason
        )
        await tell_endpoints(tx, video_event(meta.id, event_type, outcome.owner_id, meta.time, video))


async def on_video_published(event: VideoPublished, tx: Tx, meta: EventMeta) -> None:
    if event.visibility == Video.Visibility.public and event.notify_followers:
        publication = Publication(UUID(event.video_id), UUID(event.user_id), event.title)
        await fanouts.announce(tx, publication)
    visibility = Video.Visibility.Name(event.visibility)
    video = VideoState(event.video_id, event.title, "PUBLISHED", event.sequence, event.generation, visibility)
    await tell_endpoints(tx, video_event(meta.id, PUBLISHED, UUID(event.user_id), meta.time, video))


async def on_video_hidden(event: VideoHidden, tx: Tx, meta: EventMeta) -> None:
    await fanouts.hide(tx, UUID(event.video_id))
    visibility = Video.Visibility.Name(event.visibility)
    video = VideoState(event.video_id, event.title, "PUBLISHED", event.sequence, event.generation, visibility)
    await tell_endpoints(tx, video_event(meta.id, HIDDEN, UUID(event.user_id), meta.time, video))


async def on_video_deleted(event: VideoDeleted, tx: Tx, meta: EventMeta) -> None:
    await fanouts.forget(tx, UUID(event.video_id))
    video = VideoState(event.video_id, event.title, "DELETED", event.sequence, event.generation)
    await tell_endpoints(tx, video_event(meta.id, DELETED, UUID(event.user_id), meta.time, video))


async def on_user_unfollowed(event: UserUnfollowed, tx: Tx, meta: EventMeta) -> None:
    await preferences.stop_following(tx, UUID(event.user_id), UUID(event.followed_user_id))


HANDLERS: Mapping[type[Message], Handler[Store]] = {
    VideoStatusChanged: on_video_status_changed,
    VideoPublished: on_video_published,
    VideoHidden: on_video_hidden,
    VideoDeleted: on_video_deleted,
    UserUnfollowed: on_user_unfollowed,
}
