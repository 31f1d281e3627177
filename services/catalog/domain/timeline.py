"""What happened to a video, in the order in which one thing led to the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.catalog.domain.video import Status

Ignored = Literal["", "repeat", "older generation", "deleted"]


@dataclass(frozen=True)
class Entry:
    """One fact or command. `status` and `sequence` are what it led to, None where it changed no status.

    `facts` are names (with their unit) and values; `ignored` says why nothing changed.
    """

    event: str
    occurred_at: datetime
    generation: int
    status: Status | None = None
    sequence: int | None = None
    attempt: int | None = None
    facts: tuple[tuple[str, str], ...] = ()
    trace_id: str = ""
    ignored: Ignored = ""


# Upload's and media's facts travel separately, so a later one may be recorded first and its clock may be behind.
_STEPS = {
    "ClaimVideoForUpload": 0,
    "RetryVideo": 0,
    "UploadStarted": 1,
    "UploadAborted": 2,
    "UploadExpired": 2,
    "UploadFailed": 2,
    "UploadCompleted": 2,
    "VideoRetryRequested": 3,
    "TranscodeStarted": 4,
    "TranscodeRetryScheduled": 4,
    "VideoRejected": 5,
    "TranscodeFailed": 5,
    "TranscodeCompleted": 5,
}


def causally_ordered(entries: Sequence[Entry]) -> list[Entry]:
    """The entries by generation; within one, causes before effects, whatever the order of arrival and the clocks said.

    Between facts of one step, and for commands that may come at any time (PublishVideo, UpdateVideo, DeleteVideo), the
    times decide.
    """
    ordered: list[Entry] = []
    for generation in sorted({entry.generation for entry in entries}):
        own = sorted((entry for entry in entries if entry.generation == generation), key=lambda e: e.occurred_at)
        steps = sorted((entry for entry in own if entry.event in _STEPS), key=lambda e: _STEPS[e.event])
        for entry in own:
            if entry.event not in _STEPS:
                place = next((i for i, step in enumerate(steps) if step.occurred_at > entry.occurred_at), len(steps))
                steps.insert(place, entry)
        ordered.extend(steps)
    return ordered
