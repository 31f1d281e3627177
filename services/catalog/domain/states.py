"""The state table: the only place that knows how a video moves.

Facts are what upload and media tell, commands what the owner (or a job) asks for. Both move a video along TABLE; each
transition raises `sequence` by one. A fact may arrive late, early or twice:

- of an older generation, or of a deleted video: it is noted and changes nothing;
- early (its predecessors travel on another topic, or were lost): the predecessors are implied, with their transitions;
- late or twice: it moves nothing, but what it carries (original, measures) is still kept.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.catalog.domain.timeline import Entry, Ignored
from services.catalog.domain.video import Asset, Measured, Original, Reason, Status, Video

MAX_DURATION_MS = 30_000
REQUIRED_ASSETS = ("MP4_720", "THUMB")


class Cause(StrEnum):
    """What moves a video. The part before the slash is the name under which the timeline tells it."""

    CLAIM = "ClaimVideoForUpload"
    UPLOAD_STARTED = "UploadStarted"
    UPLOAD_ABORTED = "UploadAborted"
    UPLOAD_EXPIRED = "UploadExpired"
    UPLOAD_FAILED = "UploadFailed"
    UPLOAD_COMPLETED = "UploadCompleted"
    TRANSCODE_STARTED = "TranscodeStarted"
    TRANSCODE_RETRY_SCHEDULED = "TranscodeRetryScheduled"
    REJECTED_TOO_LONG = "VideoRejected/TOO_LONG"
    REJECTED_FORMAT = "VideoRejected/FORMAT"
    TRANSCODE_FAILED = "TranscodeFailed"
    TRANSCODE_COMPLETED = "TranscodeCompleted"
    PUBLISH = "PublishVideo"
    RETRY = "RetryVideo"
    DELETE = "DeleteVideo"
    ARCHIVE = "ArchiveVideo"

    @property
    def event(self) -> str:
        return self.value.partition("/")[0]


_LINE = (Status.DRAFT, Status.UPLOADING, Status.UPLOADED, Status.PROCESSING, Status.READY)
"""The way of a clip that nothing stops; what an early fact implies lies on it."""


@dataclass(frozen=True)
class Rule:
    """In which states a cause moves a video, the earliest first, and where to; None leaves it where it is."""

    sources: tuple[Status, ...]
    target: Status | None


_REJECTED = (Status.REJECTED_TOO_LONG, Status.REJECTED_FORMAT)
_UNDER_WAY = (Status.UPLOADED, Status.PROCESSING)

TABLE: Mapping[Cause, Rule] = {
    Cause.CLAIM: Rule((Status.DRAFT, *_REJECTED, Status.PROCESSING_FAILED), Status.DRAFT),
    Cause.UPLOAD_STARTED: Rule((Status.DRAFT,), Status.UPLOADING),
    Cause.UPLOAD_ABORTED: Rule((Status.UPLOADING,), Status.DRAFT),
    Cause.UPLOAD_EXPIRED: Rule((Status.UPLOADING,), Status.DRAFT),
    Cause.UPLOAD_FAILED: Rule((Status.UPLOADING,), Status.DRAFT),
    Cause.UPLOAD_COMPLETED: Rule((Status.UPLOADING,), Status.UPLOADED),
    Cause.TRANSCODE_STARTED: Rule((Status.UPLOADED,), Status.PROCESSING),
    Cause.TRANSCODE_RETRY_SCHEDULED: Rule(_UNDER_WAY, None),
    Cause.REJECTED_TOO_LONG: Rule(_UNDER_WAY, Status.REJECTED_TOO_LONG),
    Cause.REJECTED_FORMAT: Rule(_UNDER_WAY, Status.REJECTED_FORMAT),
    Cause.TRANSCODE_FAILED: Rule(_UNDER_WAY, Status.PROCESSING_FAILED),
    Cause.TRANSCODE_COMPLETED: Rule((Status.PROCESSING,), Status.READY),
    Cause.PUBLISH: Rule((Status.READY,), Status.PUBLISHED),
    # From DRAFT through UPLOADING: the original of an earlier generation is there, so the draft needs no new upload.
    Cause.RETRY: Rule((Status.PROCESSING_FAILED, Status.DRAFT), Status.UPLOADED),
    Cause.DELETE: Rule(tuple(status for status in Status if status is not Status.DELETED), Status.DELETED),
    Cause.ARCHIVE: Rule((Status.DRAFT, *_REJECTED), Status.DELETED),
}

_ENDS_UPLOAD = (Cause.UPLOAD_ABORTED, Cause.UPLOAD_EXPIRED, Cause.UPLOAD_FAILED)


@dataclass(frozen=True)
class Fact:
    """What upload or media told about one generation of a video; whatever it carries is kept with the video.

    `said` is for the timeline: names with units, and values.
    """

    cause: Cause
    generation: int
    occurred_at: datetime
    original: Original | None = None
    original_gone: bool = False
    measured: Measured | None = None
    reason: Reason | None = None
    assets: tuple[Asset, ...] = ()
    run_ms: int | None = None
    attempt: int | None = None
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Transition:
    """One change of status, with the sequence it led to."""

    from_status: Status | None
    to_status: Status
    sequence: int
    reason: Reason | None = None


@dataclass(frozen=True)
class Outcome:
    """The video afterwards, how it got there, and what the timeline tells about it.

    `assets` replace the video's outputs where they are not None. `sequel` tells what followed in the same moment.
    """

    video: Video
    entry: Entry
    transitions: tuple[Transition, ...] = ()
    assets: tuple[Asset, ...] | None = None
    sequel: Entry | None = None


class FromTheFuture(Exception):
    """The fact is of a generation that the video has not reached: its claim is not visible yet. Try again."""


def apply(video: Video, fact: Fact, now: datetime) -> Outcome:
    """What a fact does to a video. Raises FromTheFuture."""
    if fact.generation > video.generation:
        raise FromTheFuture(f"{fact.cause.event} is of generation {fact.generation}, the video of {video.generation}")
    if video.status is Status.DELETED:
        return Outcome(video, _entry(fact, ignored="deleted"))
    if fact.generation < video.generation:
        return Outcome(video, _entry(fact, ignored="older generation"))
    kept = _keep(video, fact, now)
    path = _path(kept, fact.cause)
    if path is None:
        return Outcome(kept, _entry(fact, ignored="repeat"))
    moved, transitions = _walk(kept, path, now, fact.reason)
    if fact.cause in _ENDS_UPLOAD:
        moved = replace(moved, upload_id=None)
    if fact.cause in _ENDS_UPLOAD or moved.status in _REJECTED:
        moved = replace(moved, publish_when_ready=False)  # the wish was for this upload, which will never be READY
    if Status.UPLOADED in path:
        moved = replace(moved, uploaded_at=fact.occurred_at, original=fact.original, original_gone=fact.original_gone)
    entry = _entry(fact, transitions)
    if fact.cause is not Cause.TRANSCODE_COMPLETED:
        return Outcome(moved, entry, transitions)
    ready = replace(moved, ready_at=now, run_ms=fact.run_ms)
    return _publish_if_asked(ready, Outcome(ready, entry, transitions, fact.assets), now)


def lose_original(video: Video, upload_id: UUID, lost_at: datetime) -> Outcome | None:
    """The stored original is gone before its time: there is no retry from it any more. None for another original than
    the video's, or where nothing can be retried anyway.

    The status stays: a transcode that still waits for the original fails when its turn comes, and media tells that.
    """
    original = video.original
    if original is None or original.upload_id != upload_id or video.status is Status.DELETED:
        return None
    return Outcome(replace(video, original_gone=True), Entry("OriginalLost", lost_at, video.generation))


def step(video: Video, cause: Cause, now: datetime) -> tuple[Video, tuple[Transition, ...]]:
    """Move a video by a command whose preconditions hold; no transition where the status stays, and from DRAFT all that
    lie between."""
    rule = TABLE[cause]
    if video.status not in rule.sources or rule.target is None:
        raise ValueError(f"{cause} does not move a video from {video.status}")
    path: tuple[Status, ...] = (rule.target,)
    if video.status is Status.DRAFT and rule.target in _LINE:
        path = _LINE[1 : _LINE.index(rule.target) + 1]
    return _walk(video, path, now, None)


def missing_assets(kinds: Collection[str]) -> list[str]:
    """The outputs without which a video is not published."""
    return [kind for kind in REQUIRED_ASSETS if kind not in kinds]


def is_short_enough(video: Video) -> bool:
    """Whether the duration was measured and is at most 30,000 ms."""
    return video.measured is not None and video.measured.duration_ms <= MAX_DURATION_MS


def _publish_if_asked(ready: Video, outcome: Outcome, now: datetime) -> Outcome:
    """Publication that was asked for in advance. A video that may not be published stays READY for its owner."""
    if not ready.publish_when_ready:
        return outcome
    granted = replace(ready, publish_when_ready=False)
    if missing_assets({asset.kind for asset in outcome.assets or ()}) or not is_short_enough(ready):
        return replace(outcome, video=granted)
    moved, published = step(granted, Cause.PUBLISH, now)
    (last,) = published
    return replace(
        outcome,
        video=replace(moved, published_at=now),
        transitions=outcome.transitions + published,
        sequel=Entry(
            Cause.PUBLISH.event,
            now,
            ready.generation,
            last.to_status,
            last.sequence,
            facts=(("when_ready", "granted"),),
        ),
    )


def _keep(video: Video, fact: Fact, now: datetime) -> Video:
    """The video with what the fact carries; UploadCompleted tells the time of upload also where it was implied."""
    uploaded_at = video.uploaded_at
    if fact.cause is Cause.UPLOAD_COMPLETED and uploaded_at is not None:
        uploaded_at = min(fact.occurred_at, uploaded_at)
    return replace(
        video,
        original=fact.original or video.original,
        original_gone=fact.original_gone or video.original_gone,
        measured=fact.measured or video.measured,
        uploaded_at=uploaded_at,
        heard_at=now,
    )


def _path(video: Video, cause: Cause) -> tuple[Status, ...] | None:
    """The states through which a cause takes a video, implied ones first; None for a repeat."""
    rule = TABLE[cause]
    target = () if rule.target is None else (rule.target,)
    if video.status is Status.DRAFT and video.upload_id is None:
        return None  # its upload has ended: what else is told about this generation is late
    if video.status in rule.sources:
        return target
    if video.status not in _LINE:
        return None
    here, earliest = _LINE.index(video.status), _LINE.index(rule.sources[0])
    return _LINE[here + 1 : earliest + 1] + target if here < earliest else None


def _walk(
    video: Video, path: tuple[Status, ...], now: datetime, reason: Reason | None
) -> tuple[Video, tuple[Transition, ...]]:
    """Pass through the states of `path`, one sequence each; the reason belongs to the last."""
    transitions: tuple[Transition, ...] = ()
    for number, status in enumerate(path, start=1):
        why = reason if number == len(path) else None
        transitions += (Transition(video.status, status, video.sequence + 1, why),)
        video = replace(video, status=status, sequence=video.sequence + 1, changed_at=now, reason=why)
    return video, transitions


def _entry(fact: Fact, transitions: tuple[Transition, ...] = (), ignored: Ignored = "") -> Entry:
    before = ", ".join(transition.to_status.value for transition in transitions[:-1])
    implied = (("implied", before),) if before else ()
    return Entry(
        event=fact.cause.event,
        occurred_at=fact.occurred_at,
        generation=fact.generation,
        status=transitions[-1].to_status if transitions else None,
        sequence=transitions[-1].sequence if transitions else None,
        attempt=fact.attempt,
        facts=fact.said + implied,
        ignored=ignored,
    )
