"""Transcode jobs: their states, who comes first, and when a failed run is tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.media.domain.outcomes import Fault

MAX_RETRIES = 3
MAX_LOSSES = 10
"""So many workers may die while they have a job. Each dies of something else more likely than of the clip, so none
counts as an attempt; but a clip that kills must not go round for ever."""
FIRST_RETRY_SECONDS = 5.0
"""Before the first retry; each later one waits four times as long."""
OUTAGES = {"STORAGE_ERROR", "DISK_FULL", "SERVICE_AWAY"}
LAST_RETRY_AFTER_OUTAGE_SECONDS = 900.0


class JobStatus(StrEnum):
    """The specification's four, and two ends that are no failures of ours: they count in no success rate."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"


class RunOutcome(StrEnum):
    """How one run ended; only the objects of a WON run are kept."""

    WON = "WON"
    FAILED = "FAILED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"
    LOST = "LOST"


HEAD_STARTS = {"paid": timedelta(minutes=10), "verified": timedelta(minutes=5), "free": timedelta(0)}
"""How much earlier a job counts as queued, by tier. A constant head start is a priority that ages by itself: nobody
is overtaken by what was queued more than ten minutes later, so nobody starves."""


@dataclass(frozen=True)
class Job:
    """A transcode that was asked for. `tier` is free, verified or paid."""

    job_id: UUID
    video_id: UUID
    generation: int
    upload_id: UUID
    user_id: UUID
    tier: str
    input_s3_key: str
    size_bytes: int

    @property
    def labels(self) -> dict[str, str]:
        """The ids that others may know the job by."""
        return {"job_id": str(self.job_id), "video_id": str(self.video_id), "user_id": str(self.user_id)}

    @property
    def head_start(self) -> timedelta:
        return HEAD_STARTS[self.tier]


@dataclass(frozen=True)
class Run:
    """One attempt at a job under a lease: `fence` proves that it still owns the job, `attempt` counts from 1.

    `queued_at` is when the job was asked for, `traceparent` the trace in which that was. `taken_up`: another worker
    began the run and handed it on to a service outside, which still carries it out. `losses`: how many workers
    have died with the job, as far as its claim has looked.
    """

    run_id: UUID
    attempt: int
    fence: int
    job: Job
    queued_at: datetime
    traceparent: str | None
    taken_up: bool = False
    losses: int = 0

    @property
    def output_s3_prefix(self) -> str:
        """Everything that the run stores is below it; no other run writes there."""
        return f"{video_prefix(self.job.user_id, self.job.video_id)}{self.run_id}/"


@dataclass(frozen=True)
class Losses:
    """Runs of a job were found to have ended with their workers, at `found_at`: `count` in its whole life. The run that
    begins now is its `attempt`-th.
    """

    attempt: int
    count: int
    found_at: datetime


@dataclass(frozen=True)
class Purge:
    """The outputs of a deleted video are to be removed; claimed under `fence`."""

    video_id: UUID
    user_id: UUID
    fence: int


def video_prefix(user_id: UUID, video_id: UUID) -> str:
    """The prefix of the outputs of all runs of a video."""
    return f"videos/{user_id}/{video_id}/"


def retry_after(fault: Fault, attempt: int, random: Callable[[], float]) -> float | None:
    """Seconds until the next run after `attempt` ended in `fault`; None when there is none.

    Permanent faults are not tried again, transient ones `MAX_RETRIES` times; the last retry after an outage, which is
    not the clip's fault, leaves time for mending. `random` (0 to 1) spreads the retries of jobs that failed together
    over half the time.
    """
    if not fault.transient or attempt > MAX_RETRIES:
        return None
    seconds = FIRST_RETRY_SECONDS * 4.0 ** (attempt - 1)
    if attempt == MAX_RETRIES and fault.code in OUTAGES:
        seconds = LAST_RETRY_AFTER_OUTAGE_SECONDS
    return seconds * (0.75 + 0.5 * random())


def worker_lost(attempt: int) -> Fault:
    """What a run died of whose lease ended without a word."""
    return Fault("WORKER_LOST", f"The worker of attempt {attempt} disappeared.", transient=True)


PUBLIC_CODES = {
    "WORKER_LOST": "TRANSCODER_ERROR",
    "SERVICE_AWAY": "TRANSCODER_ERROR",
    "DISK_FULL": "STORAGE_ERROR",
}
"""Causes that only operators tell apart, and the reason that the owner is given in the end."""


def public_code(code: str) -> str:
    return PUBLIC_CODES.get(code, code)


STAGES = {"download": (0, 5), "encode": (5, 92), "package": (92, 94), "store": (94, 100)}


def percent(stage: str, fraction: float) -> int:
    """How far a whole run is (0 to 100) when `fraction` (0 to 1) of the stage is done."""
    start, end = STAGES[stage]
    return round(start + (end - start) * min(1.0, max(0.0, fraction)))
