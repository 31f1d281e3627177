"""What upload and media tell about a video, by Kafka, by DeliverEvent or when asked."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import cast, get_args
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.clock import Clock
from chassis.consumer import Handler, NotYet
from chassis.events import EventMeta
from nextplay.media.v1 import media_events_pb2 as media
from nextplay.upload.v1 import upload_events_pb2 as upload
from services.catalog import metrics
from services.catalog.domain.states import Cause, Fact, FromTheFuture, apply, lose_original
from services.catalog.domain.video import Asset, Measured, Original, Reason, Tier, Video
from services.catalog.ports import Store, Tx
from services.catalog.usecases.settling import settle

Said = tuple[tuple[str, str], ...]


def handlers(clock: Clock, types: tuple[type[Message], ...]) -> Mapping[type[Message], Handler[Store]]:
    """The handler of each of these event types, for the consumer and for DeliverEvent alike."""

    async def on_event(event: Message, tx: Tx, meta: EventMeta) -> None:
        await record(tx, video_id_of(event), fact_from(event, meta.time), clock())

    return dict.fromkeys(types, on_event)


def original_lost(clock: Clock) -> Handler[Store]:
    """The handler of OriginalLost, which goes by the upload and not by the generation: a retry has the original of an
    older one."""

    async def on_original_lost(event: Message, tx: Tx, meta: EventMeta) -> None:
        video = await tx.store.videos.lock(video_id_of(event))
        lost = cast(upload.OriginalLost, event)
        outcome = lose_original(video, UUID(lost.upload_id), meta.time) if video else None
        if outcome:
            await settle(tx, outcome)

    return on_original_lost


async def record(tx: Tx, video_id: UUID, fact: Fact, now: datetime) -> Video:
    """Apply a fact to its video. Raises NotYet where its video or generation is not there yet."""
    video = await tx.store.videos.lock(video_id)
    if video is None:
        raise NotYet(f"{fact.cause.event} is about video {video_id}, which is not known yet")
    try:
        outcome = apply(video, fact, now)
    except FromTheFuture as error:
        raise NotYet(str(error)) from error
    if outcome.entry.ignored:
        metrics.FACTS_IGNORED.add(1, {"event": fact.cause.event, "reason": outcome.entry.ignored})
    return await settle(tx, outcome)


def video_id_of(event: Message) -> UUID:
    """The video of an event of upload or media."""
    return UUID(cast(upload.UploadStarted, event).video_id)


def fact_from(event: Message, occurred_at: datetime) -> Fact:
    """What an event of upload or media says. Raises ValueError for any other event."""
    for event_type, read in _READ.items():
        if isinstance(event, event_type):
            return read(event, occurred_at)
    raise ValueError(f"{event.DESCRIPTOR.full_name} tells nothing about the state of a video")


def _upload_started(event: upload.UploadStarted, at: datetime) -> Fact:
    said: Said = (("size_bytes", str(event.size_bytes)), ("expires_at", _text(event.expires_at)))
    return Fact(Cause.UPLOAD_STARTED, event.generation, at, said=said)


def _upload_completed(event: upload.UploadCompleted, at: datetime) -> Fact:
    original = Original(
        s3_key=event.input_s3_key,
        size_bytes=event.size_bytes,
        tier=_tier(event.tier),
        expires_at=_time(event.original_expires_at),
        upload_id=UUID(event.upload_id),
    )
    said: Said = (
        ("size_bytes", str(event.size_bytes)),
        ("content_type", event.content_type),
        ("tier", event.tier),
        ("original_expires_at", _text(event.original_expires_at)),
    )
    return Fact(Cause.UPLOAD_COMPLETED, event.generation, at, original=original, said=said)


def _upload_aborted(event: upload.UploadAborted, at: datetime) -> Fact:
    reason = Reason("UPLOAD_ABORTED", "The upload was given up before it was complete.", "upload")
    return Fact(Cause.UPLOAD_ABORTED, event.generation, at, reason=reason)


def _upload_expired(event: upload.UploadExpired, at: datetime) -> Fact:
    reason = Reason("UPLOAD_EXPIRED", "The upload was not completed within 60 minutes.", "upload")
    return Fact(Cause.UPLOAD_EXPIRED, event.generation, at, reason=reason)


def _upload_failed(event: upload.UploadFailed, at: datetime) -> Fact:
    reason = Reason(event.code, event.message, "upload")
    return Fact(Cause.UPLOAD_FAILED, event.generation, at, reason=reason, said=_said(reason))


def _transcode_started(event: media.TranscodeStarted, at: datetime) -> Fact:
    said = (*_probe_said(event.probe), ("run_id", event.run_id), ("queued_at", _text(event.queued_at)))
    return Fact(
        Cause.TRANSCODE_STARTED,
        event.generation,
        at,
        measured=_measured(event.probe),
        attempt=event.attempt,
        said=said,
    )


def _transcode_retry_scheduled(event: media.TranscodeRetryScheduled, at: datetime) -> Fact:
    said: Said = (("code", event.code), ("next_at", _text(event.next_at)))
    return Fact(Cause.TRANSCODE_RETRY_SCHEDULED, event.generation, at, attempt=event.attempt, said=said)


def _transcode_completed(event: media.TranscodeCompleted, at: datetime) -> Fact:
    said: Said = (
        ("run_ms", str(event.run_ms)),
        ("encode_ms", str(event.encode_ms)),
        ("run_id", event.run_id),
        ("output_s3_prefix", event.output_s3_prefix),
        *((f"{asset.kind} size_bytes", str(asset.size_bytes)) for asset in event.assets),
    )
    return Fact(
        Cause.TRANSCODE_COMPLETED,
        event.generation,
        at,
        measured=_measured(event.probe),
        assets=tuple(_asset(asset) for asset in event.assets),
        run_ms=event.run_ms,
        attempt=event.attempt,
        said=said,
    )


def _transcode_failed(event: media.TranscodeFailed, at: datetime) -> Fact:
    reason = Reason(event.code, event.message, "transcode")
    gone: Said = (("original_gone", "true"),) if event.original_gone else ()
    return Fact(
        Cause.TRANSCODE_FAILED,
        event.generation,
        at,
        original_gone=event.original_gone,
        reason=reason,
        attempt=event.attempts or None,
        said=_said(reason) + gone,
    )


def _video_rejected(event: media.VideoRejected, at: datetime) -> Fact:
    reason = Reason(event.code, event.message, "probe")
    too_long = event.code == "DURATION_TOO_LONG"
    measures: Said = (("measured", event.measured), ("limit", event.limit))
    return Fact(
        Cause.REJECTED_TOO_LONG if too_long else Cause.REJECTED_FORMAT,
        event.generation,
        at,
        measured=_measured(event.probe) if event.HasField("probe") else None,
        reason=reason,
        said=_said(reason) + measures + _probe_said(event.probe),
    )


_READ: Mapping[type[Message], Callable[..., Fact]] = {
    upload.UploadStarted: _upload_started,
    upload.UploadCompleted: _upload_completed,
    upload.UploadAborted: _upload_aborted,
    upload.UploadExpired: _upload_expired,
    upload.UploadFailed: _upload_failed,
    media.TranscodeStarted: _transcode_started,
    media.TranscodeRetryScheduled: _transcode_retry_scheduled,
    media.TranscodeCompleted: _transcode_completed,
    media.TranscodeFailed: _transcode_failed,
    media.VideoRejected: _video_rejected,
}


def _said(reason: Reason) -> Said:
    return (("code", reason.code), ("message", reason.message))


def _probe_said(probe: media.ProbeFacts) -> Said:
    """What was measured, without what could not be."""
    return tuple((field.name, str(value)) for field, value in probe.ListFields())


def _measured(probe: media.ProbeFacts) -> Measured | None:
    """None where not even a duration could be measured."""
    return Measured(probe.duration_ms, probe.width, probe.height, probe.fps) if probe.duration_ms else None


def _asset(asset: media.Asset) -> Asset:
    return Asset(
        kind=asset.kind,
        s3_bucket=asset.s3_bucket,
        s3_key=asset.s3_key,
        content_type=asset.content_type,
        size_bytes=asset.size_bytes,
        width=asset.width,
        height=asset.height,
        bitrate_bps=asset.bitrate_bps,
        duration_ms=asset.duration_ms,
    )


def _tier(tier: str) -> Tier:
    """A tier that a newer upload knows is served like the one without a claim, as media does."""
    return cast(Tier, tier) if tier in get_args(Tier) else "free"


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def _text(stamp: Timestamp) -> str:
    return _time(stamp).isoformat(timespec="milliseconds")
