"""How upload enters the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from chassis.consumer import Handler, NotYet, apply_once
from chassis.errors import FieldViolation, InvalidArgument, Unavailable
from chassis.events import EventMeta
from services.catalog.domain import commands
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.video import Status, Video
from services.catalog.ports import Begin, Store, Tx
from services.catalog.usecases.facts import video_id_of
from services.catalog.usecases.settling import settle, tell

CONSUMER = "catalog"
"""The name in the inbox: an event that was handed over is a repeat when Kafka brings it."""


@dataclass(frozen=True)
class Claimant:
    """An upload that wants a video: one that exists, or a new one under an id of its own."""

    video_id: UUID
    upload_id: UUID
    user_id: UUID
    must_exist: bool
    told: commands.Description


async def claim_video(tx: Tx, claimant: Claimant, now: datetime) -> int:
    """Give the video's next generation to an upload; the same upload gets the same again while it holds the video.

    Raises VideoNotFound (also for a deleted one and somebody else's), UploadNotAllowed.
    """
    videos = tx.store.videos
    video = await videos.lock_own(claimant.video_id, claimant.user_id)
    if video is None and not claimant.must_exist:
        created = commands.draft(claimant.video_id, claimant.user_id, claimant.upload_id, claimant.told, now)
        if await videos.insert(created.video):
            await tell(tx, created)
            return await _keep(tx, claimant, created.video.generation)
        # Two claims of a new video at once: the other one was first.
        video = await videos.lock_own(claimant.video_id, claimant.user_id)
    if video is None or video.status is Status.DELETED:
        raise VideoNotFound
    known = await videos.find_claim(claimant.upload_id)
    if known and video.upload_id == claimant.upload_id:
        # Heard of again, so that nobody takes the claim for one that was left behind while upload accepts it.
        await videos.save(replace(video, heard_at=now))
        return known
    outcome = commands.claim(video, claimant.upload_id, claimant.told, now)
    await settle(tx, outcome)
    return await _keep(tx, claimant, outcome.video.generation)


async def deliver_event(
    begin: Begin,
    handlers: Mapping[type[Message], Handler[Store]],
    meta: EventMeta,
    payload: bytes,
) -> Video:
    """Apply an event of upload that came ahead of Kafka, once whichever way it comes; the video afterwards.

    Raises InvalidArgument for what is not such an event, Unavailable when it cannot be applied yet.
    """
    by_name = {event_type.DESCRIPTOR.full_name: event_type for event_type in handlers}
    event_type = by_name.get(meta.type)
    if event_type is None:
        rule = f"must be one of {', '.join(sorted(by_name))}, is {meta.type[:100]!r}"
        raise InvalidArgument(fields=[FieldViolation("event_type", rule)])
    try:
        event = event_type.FromString(payload)
        video_id = video_id_of(event)
    except (DecodeError, ValueError) as error:
        raise InvalidArgument(fields=[FieldViolation("payload", f"is not a {meta.type} of a video")]) from error
    try:
        await apply_once(begin, CONSUMER, meta, event, handlers[event_type])
    except NotYet as error:
        raise Unavailable("The video is not there yet; Kafka will bring the event again.", retry_after=1) from error
    async with begin() as tx:
        video = await tx.store.videos.find(video_id)
    if video is None:
        raise VideoNotFound
    return video


async def _keep(tx: Tx, claimant: Claimant, generation: int) -> int:
    await tx.store.videos.keep_claim(claimant.video_id, claimant.upload_id, generation)
    return generation
