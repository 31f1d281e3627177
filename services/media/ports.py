"""What the use cases of media need from the outside."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias
from uuid import UUID

from google.protobuf.message import Message

import chassis.transaction
from services.media.domain.job import Job, JobStatus, Losses, Purge, Run, RunOutcome
from services.media.domain.remote import News, RemoteJob
from services.media.domain.source import Source


class Ranges(Protocol):
    """What can be read in part. Raises Unavailable and ObjectNotFound."""

    async def get_range(self, key: str, start: int, length: int) -> bytes: ...


class Objects(Ranges, Protocol):
    """The object store. Raises Unavailable, and ObjectNotFound where an object is read."""

    async def download(self, key: str, path: Path) -> None: ...
    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = ...) -> None: ...
    async def delete_prefix(self, prefix: str) -> int: ...


class Prober(Protocol):
    async def probe(self, key: str, size_bytes: int) -> Source:
        """Measure the original below `key`. Raises Rejected where it can't be measured, Fault."""


Report: TypeAlias = Callable[[str, float], None]
"""Told how far a stage is: its name (`domain.job.STAGES`) and a fraction from 0 to 1."""


@dataclass(frozen=True)
class Task:
    """What a transcoder is asked for: all outputs of the source, below a prefix that is the run's own.

    It encodes in `turn`, which is entered once and waits until the worker has cores and memory to spare; what it
    fetches before and stores afterwards goes on beside other runs' turns. `labels` name the ids of job, video and user
    for whom else it asks.
    """

    run_id: UUID
    input_s3_key: str
    output_s3_prefix: str
    source: Source
    turn: AbstractAsyncContextManager[None] = field(default_factory=nullcontext)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asset:
    """One stored output; for HLS the master playlist, with the sizes of all its objects together.

    `kind` is MP4_720, MP4_480, MP4_240, HLS, THUMB or PREVIEW; `size` is width and height in pixels. Bit rate (bits
    per second, audio included) and duration are 0 for pictures.
    """

    kind: str
    s3_key: str
    content_type: str
    size_bytes: int
    size: tuple[int, int]
    bitrate_bps: int = 0
    duration_ms: int = 0


@dataclass(frozen=True)
class Outputs:
    """What a transcoder stored, and how long it encoded with what (ffmpeg, mediaconvert)."""

    assets: tuple[Asset, ...]
    encode_ms: int
    encoder: str


class Transcoder(Protocol):
    async def transcode(self, task: Task, report: Report) -> Outputs:
        """Make and store all outputs; when it returns, every object is readable.

        Raises Rejected when decoding shows that the original is unacceptable, and Fault. Whatever happens, cancelling
        included, nothing of it runs on here. What was handed on (Store.hand_on) goes on outside; asked for again, the
        same task waits for it. Objects that were stored until then are the caller's to remove.
        """


class Remote(Protocol):
    """A service outside to which runs are handed on."""

    async def cancel(self, remote_id: str) -> None:
        """Let a job of the service end; one that has ended is fine. Raises Fault."""


class Store(Protocol):
    """The tables of media, inside one transaction. "Held" means that the run's fence still owns its job."""

    async def lock_video(self, video_id: UUID) -> None:
        """Until the transaction ends, nobody else creates work for the video, or buries it."""

    async def is_deleted(self, video_id: UUID) -> bool: ...
    async def is_superseded(self, job: Job) -> bool: ...
    async def insert_job(self, job: Job) -> bool: ...
    async def lock_job_under_way(self, job_id: UUID) -> tuple[Job, int] | None:
        """A job that has not ended, and how many attempts were begun. No run of it ends before the transaction does."""

    async def end_open_runs(self, job_id: UUID, outcome: RunOutcome, code: str | None = None) -> int:
        """End the runs of the job that never ended, whoever carries them out; how many."""

    async def stop_job(self, job_id: UUID, code: str, message: str) -> None:
        """Let a job fail that no run has ended; who holds it holds it no more."""

    async def queue_anew(self, job_id: UUID, returned: int) -> None:
        """Queue a job at once, as if `returned` of its attempts had not been; who holds it holds it no more."""

    async def cancel_jobs(self, video_id: UUID, *, below_generation: int) -> int: ...
    async def bury(self, video_id: UUID, user_id: UUID) -> None: ...

    async def claim_run(self, run_id: UUID, owner: str, lease_seconds: float, *, take_up: bool = False) -> Run | None:
        """Lease the job that comes first, and write its new run; or, with `take_up`, go on with one that was handed
        on and has not ended.
        """

    async def end_lost_runs(self, run: Run) -> Losses | None:
        """End the runs of the job, other than `run`, that never ended; None if there was none.

        They do not count as attempts, so `run` has the number that they had.
        """

    async def hold(self, run: Run) -> bool:
        """Whether the run still holds its job; if so nobody takes it away until the transaction ends."""

    async def record_fact(self, job_id: UUID, fact: Message) -> None: ...
    async def end_job(
        self, run: Run, status: JobStatus, *, code: str | None = None, message: str | None = None
    ) -> None: ...
    async def end_run(self, run_id: UUID, outcome: RunOutcome, code: str | None = None) -> RunOutcome:
        """End a run; the outcome that counts: a run that has ended before keeps its own."""

    async def retry_job(self, run: Run, seconds: float) -> datetime:
        """Queue the job again for its next attempt; when that may start."""

    async def retry_at_once(self) -> int:
        """Let every job that waits for its next attempt have it now; how many."""

    async def release_job(self, run: Run) -> None:
        """Queue the job again as if this run had not been."""

    async def hand_on(self, run_id: UUID) -> RemoteJob:
        """Write that a service outside is asked to carry the run out; what is known of its job, if that was before."""

    async def remote_job(self, run_id: UUID) -> RemoteJob:
        """What is known of the job for a run that was handed on."""

    async def record_news(self, news: News) -> bool:
        """False when they change nothing: a repeat after the end, or not about a run that was handed on."""

    async def goes_on(self, run_id: UUID) -> bool:
        """Whether the run was handed on, and the next claim of its job takes it up."""

    async def take_unwanted(self) -> Sequence[tuple[UUID, str]]:
        """Runs that were handed on and that nobody wants any more, with the service's ids; for a minute not again."""

    async def runs_to_sweep(self, ended_seconds_ago: float, limit: int) -> Sequence[tuple[UUID, str]]:
        """Runs that ended without winning, with the prefixes of what they may have stored."""

    async def mark_swept(self, run_id: UUID) -> None:
        """The run's objects were removed. While a service outside may still store some, the run comes again."""

    async def sweep_later(self, run_id: UUID) -> None:
        """Let others be swept before a run that could not be."""

    async def claim_purges(self, owner: str, lease_seconds: float, limit: int) -> Sequence[Purge]: ...
    async def end_purge(self, purge: Purge, again_seconds: float) -> None:
        """The first purge of a video is repeated after `again_seconds`, the second was the last."""


Tx: TypeAlias = chassis.transaction.Tx[Store]
Begin: TypeAlias = chassis.transaction.Begin[Store]

SendSignal: TypeAlias = Callable[[Message], Awaitable[None]]
"""Sends a lossy signal; never raises."""
