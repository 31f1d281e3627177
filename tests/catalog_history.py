"""Random lives of a video: what upload and media tell about each of its generations, and what must hold whatever
order, repetition or crash it meets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from hypothesis import strategies as st

from chassis.clock import new_id
from chassis.events import EventMeta
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from nextplay.catalog.v1.video_pb2 import Video as VideoMessage
from nextplay.media.v1 import media_events_pb2 as media
from nextplay.upload.v1 import upload_events_pb2 as upload
from services.catalog.domain.states import Cause
from services.catalog.domain.video import Status, Video

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER, VIDEO = UUID(int=1), UUID(int=2)

UPLOAD_ENDS = [Cause.UPLOAD_ABORTED, Cause.UPLOAD_EXPIRED, Cause.UPLOAD_FAILED]
MEDIA_ENDS = [Cause.REJECTED_TOO_LONG, Cause.REJECTED_FORMAT, Cause.TRANSCODE_FAILED]

# The rows of the contract, written down a second time.
LEGAL = {
    (None, "DRAFT"),
    ("REJECTED_TOO_LONG", "DRAFT"),
    ("REJECTED_FORMAT", "DRAFT"),
    ("PROCESSING_FAILED", "DRAFT"),
    ("DRAFT", "UPLOADING"),
    ("UPLOADING", "DRAFT"),
    ("UPLOADING", "UPLOADED"),
    ("UPLOADED", "PROCESSING"),
    ("UPLOADED", "REJECTED_TOO_LONG"),
    ("UPLOADED", "REJECTED_FORMAT"),
    ("UPLOADED", "PROCESSING_FAILED"),
    ("PROCESSING", "REJECTED_TOO_LONG"),
    ("PROCESSING", "REJECTED_FORMAT"),
    ("PROCESSING", "PROCESSING_FAILED"),
    ("PROCESSING", "READY"),
    ("READY", "PUBLISHED"),
    ("PROCESSING_FAILED", "UPLOADED"),
} | {(status.value, "DELETED") for status in Status if status is not Status.DELETED}


def without_earlier_original(video: Video) -> Video:
    """A draft without the original of an earlier generation: it is kept for a retry if it was known before the claim,
    and an UploadCompleted that comes after the claim is not believed."""
    return replace(video, original=None) if video.status is Status.DRAFT else video


@dataclass(frozen=True)
class Generation:
    """How one generation goes: what ends it, after how many runs, and whether its failure is retried or replaced.

    One that failed because its original is `gone` can only be replaced.
    """

    end: Cause
    runs: int
    started: bool
    retried: bool
    wished: bool
    gone: bool = False

    @property
    def is_retry_of_a_failure(self) -> bool:
        return self.retried and self.can_be_retried

    @property
    def can_be_retried(self) -> bool:
        return self.end is Cause.TRANSCODE_FAILED and not self.gone


generations = st.builds(
    Generation,
    end=st.sampled_from([*UPLOAD_ENDS, *MEDIA_ENDS]),
    runs=st.integers(1, 3),
    started=st.booleans(),
    retried=st.booleans(),
    wished=st.booleans(),
    gone=st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Generation]:
    last = draw(st.sampled_from([*UPLOAD_ENDS, *MEDIA_ENDS, Cause.TRANSCODE_COMPLETED]))
    plans = [*draw(st.lists(generations, max_size=3)), replace(draw(generations), end=last)]
    return list(_possible(plans))


def _possible(plans: list[Generation]) -> Iterator[Generation]:
    """A retry begins with a stored original, so its end is never one of an upload; a rejection needs no second run."""
    retry = False
    for plan in plans:
        end = Cause.TRANSCODE_FAILED if retry and plan.end in UPLOAD_ENDS else plan.end
        plan = replace(plan, end=end)
        yield plan
        retry = plan.is_retry_of_a_failure


@dataclass(frozen=True)
class Sent:
    """An event as it travels: every delivery has the same id."""

    meta: EventMeta
    event: Message

    def told_anew(self) -> "Sent":
        """The same said again, as the owner of the fact does when it is asked."""
        return Sent(replace(self.meta, id=new_id()), self.event)


def sent(event: Message) -> Sent:
    return Sent(EventMeta(new_id(), event.DESCRIPTOR.full_name, "/nextplay/test", NOW), event)


def upload_id_of(generation: int) -> UUID:
    return UUID(int=100 + generation)


def upload_tells(plan: Generation, generation: int) -> list[Sent]:
    """The events of an upload that holds this generation, in order."""
    names: dict[str, Any] = {
        "video_id": str(VIDEO),
        "user_id": str(OWNER),
        "generation": generation,
        "upload_id": str(upload_id_of(generation)),
    }
    told: list[Message] = [upload.UploadStarted(**names, size_bytes=generation)]
    match plan.end:
        case Cause.UPLOAD_ABORTED:
            told.append(upload.UploadAborted(**names))
        case Cause.UPLOAD_EXPIRED:
            told.append(upload.UploadExpired(**names))
        case Cause.UPLOAD_FAILED:
            told.append(upload.UploadFailed(**names, code="MULTIPART_LOST", message="It is lost."))
        case _:
            completed = upload.UploadCompleted(**names, input_s3_key=f"key {generation}", size_bytes=1, tier="free")
            completed.original_expires_at.FromDatetime(NOW.replace(year=NOW.year + 1))
            told.append(completed)
    return [sent(event) for event in told]


def media_tells(plan: Generation, generation: int) -> list[Sent]:
    """The events of the runs of this generation, in order; none where its upload ends without an original."""
    if plan.end in UPLOAD_ENDS:
        return []
    names: dict[str, Any] = {"video_id": str(VIDEO), "user_id": str(OWNER), "generation": generation}
    probe = media.ProbeFacts(duration_ms=1000 * generation, width=640, height=360, fps=30)
    told: list[Message] = []
    for attempt in range(1, plan.runs + 1):
        if plan.started:
            told.append(media.TranscodeStarted(**names, attempt=attempt, probe=probe))
        if attempt < plan.runs:
            told.append(media.TranscodeRetryScheduled(**names, attempt=attempt, code="STORAGE_ERROR"))
    match plan.end:
        case Cause.TRANSCODE_FAILED:
            told.append(
                media.TranscodeFailed(
                    **names, code="STORAGE_ERROR", message="It failed.", attempts=4, original_gone=plan.gone
                )
            )
        case Cause.TRANSCODE_COMPLETED:
            assets = [
                media.Asset(kind=kind, s3_bucket="b", s3_key=f"videos/{generation}/{kind}", content_type="video/mp4")
                for kind in ("MP4_720", "THUMB")
            ]
            told.append(media.TranscodeCompleted(**names, attempt=plan.runs, assets=assets, probe=probe, run_ms=1))
        case end:
            code = "DURATION_TOO_LONG" if end is Cause.REJECTED_TOO_LONG else "NOT_A_VIDEO"
            told.append(media.VideoRejected(**names, code=code, message="It is rejected."))
    return [sent(event) for event in told]


def assert_legal(changes: Iterable[VideoStatusChanged]) -> Sequence[str]:
    """Every change begins where the one before ended, is a row of the contract and has the next sequence; where they
    led to, in order."""
    before, passed = None, list[str]()
    for number, change in enumerate(changes, start=1):
        came_from = VideoMessage.Status.Name(change.from_status) if change.from_status else None
        to = VideoMessage.Status.Name(change.to_status)
        assert (came_from, change.sequence) == (before, number), f"{passed} and then {came_from} → {to}"
        assert (came_from, to) in LEGAL, f"{passed} and then {to}"
        passed.append(to)
        before = to
    return passed
