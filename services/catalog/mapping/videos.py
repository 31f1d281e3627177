"""Single videos between messages and the domain."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgument
from nextplay.catalog.v1 import video_pb2
from nextplay.catalog.v1.videos_service_pb2 import (
    Fact,
    GetVideoResponse,
    GetVideoStatusResponse,
    GetVideoTimelineResponse,
    RetryVideoResponse,
    TimelineEntry,
    UpdateVideoRequest,
    UpdateVideoResponse,
    VideoAsset,
    WatchVideoResponse,
)
from services.catalog.domain import wording
from services.catalog.domain.commands import Action, Change, allowed_actions, is_final
from services.catalog.domain.outlook import Outlook, eta_seconds, progress, queue_position
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Asset, Video, Visibility
from services.catalog.ports.playback import SignedUrl
from services.catalog.reads.status import Standing
from services.catalog.reads.videos import Seen
from services.catalog.usecases.events import reason_message, status_message, timestamp, visibility_message

_ACTIONS = {action: video_pb2.Video.Action.Value(action.value) for action in Action}


def visibility_from(value: int) -> Visibility:
    """Raises InvalidArgument for a number that is no visibility."""
    try:
        return Visibility(video_pb2.Video.Visibility.Name(value))  # type: ignore[arg-type]
    except ValueError as error:
        rule = f"must be one of {', '.join(Visibility)}, is {value}"
        raise InvalidArgument(fields=[FieldViolation("visibility", rule)]) from error


def change_from(request: UpdateVideoRequest, rules: wording.Rules) -> Change:
    """What is absent stays. Raises InvalidArgument that says everything that is wrong."""
    return wording.change(
        rules,
        title=request.title if request.HasField("title") else None,
        description=request.description if request.HasField("description") else None,
        category=request.category if request.HasField("category") else None,
        visibility=visibility_from(request.visibility) if request.HasField("visibility") else None,
    )


def updated_message(video: Video) -> UpdateVideoResponse:
    return UpdateVideoResponse(
        video_id=str(video.video_id),
        title=video.title,
        description=video.description,
        category=video.category,
        visibility=visibility_message(video.visibility),
    )


def retried_message(video: Video) -> RetryVideoResponse:
    return RetryVideoResponse(
        video_id=str(video.video_id),
        status=status_message(video.status),
        sequence=video.sequence,
        generation=video.generation,
    )


def video_message(seen: Seen, viewer: UUID, signed: Mapping[str, SignedUrl], now: datetime) -> GetVideoResponse:
    """The video as this viewer may see it: reason, original and the wish to publish are the owner's affair.

    `signed` has the URL of each asset by its kind.
    """
    video = seen.video
    message = GetVideoResponse(
        video_id=str(video.video_id),
        user_id=str(video.user_id),
        title=video.title,
        description=video.description,
        category=video.category,
        visibility=visibility_message(video.visibility),
        status=status_message(video.status),
        assets=[_asset(asset, signed[asset.kind]) for asset in seen.assets],
        created_at=timestamp(video.created_at),
        published_at=_optional(video.published_at),
        sequence=video.sequence,
        generation=video.generation,
    )
    if video.measured:
        message.duration_ms = video.measured.duration_ms
        message.width = video.measured.width
        message.height = video.measured.height
        message.fps = video.measured.fps
    if viewer == video.user_id:
        message.publish_when_ready = video.publish_when_ready
        if video.reason:
            message.reason.CopyFrom(reason_message(video, video.reason, now))
        if video.kept_original:
            message.original_expires_at.CopyFrom(timestamp(video.kept_original.expires_at))
    return message


def _asset(asset: Asset, signed: SignedUrl) -> VideoAsset:
    return VideoAsset(
        kind=asset.kind,
        url=signed.url,
        s3_key=asset.s3_key,
        content_type=asset.content_type,
        size_bytes=asset.size_bytes,
        width=asset.width,
        height=asset.height,
        bitrate_bps=asset.bitrate_bps,
        duration_ms=asset.duration_ms,
        url_expires_at=timestamp(signed.expires_at),
    )


class _Standing(TypedDict):
    """The fields that GetVideoStatus and WatchVideo answer alike."""

    video_id: str
    status: video_pb2.Video.Status.ValueType
    progress: int
    eta_seconds: int | None
    queue_position: int | None
    reason: video_pb2.Reason | None
    sequence: int
    generation: int
    final: bool
    allowed_actions: list[video_pb2.Video.Action.ValueType]
    changed_at: Timestamp
    published_at: Timestamp | None


def status_message_of(standing: Standing, outlook: Outlook, now: datetime) -> GetVideoStatusResponse:
    return GetVideoStatusResponse(**_standing(standing, outlook, now))


def watched_message(standing: Standing, outlook: Outlook, now: datetime) -> WatchVideoResponse:
    return WatchVideoResponse(**_standing(standing, outlook, now))


def _standing(standing: Standing, outlook: Outlook, now: datetime) -> _Standing:
    video, run = standing.video, standing.run
    return _Standing(
        video_id=str(video.video_id),
        status=status_message(video.status),
        progress=progress(video, run),
        eta_seconds=eta_seconds(video, run, outlook, now),
        queue_position=queue_position(video, outlook),
        reason=reason_message(video, video.reason, now) if video.reason else None,
        sequence=video.sequence,
        generation=video.generation,
        final=is_final(video),
        allowed_actions=[_ACTIONS[action] for action in allowed_actions(video, now)],
        changed_at=timestamp(video.changed_at),
        published_at=_optional(video.published_at),
    )


def timeline_message(entries: Sequence[Entry]) -> GetVideoTimelineResponse:
    """`since_previous_ms` counts within a generation, and is 0 where the clocks of two contexts disagree."""
    messages = []
    for before, entry in zip([None, *entries[:-1]], entries, strict=True):
        since = 0
        if before is not None and before.generation == entry.generation:
            since = max(0, round((entry.occurred_at - before.occurred_at).total_seconds() * 1000))
        messages.append(
            TimelineEntry(
                event=entry.event,
                time=timestamp(entry.occurred_at),
                generation=entry.generation,
                status=status_message(entry.status) if entry.status else None,
                sequence=entry.sequence,
                since_previous_ms=since,
                attempt=entry.attempt,
                facts=[Fact(name=name, value=value) for name, value in entry.facts],
                trace_id=entry.trace_id,
                ignored=entry.ignored,
            )
        )
    return GetVideoTimelineResponse(entries=messages)


def _optional(time: datetime | None) -> Timestamp | None:
    return timestamp(time) if time else None
