"""The transcoder that has AWS Elemental MediaConvert encode: it submits a job for the run, waits for what is heard of
it, and reads the outputs back.

What is heard is written down by whichever worker hears it (events.py), so waiting is looking into the table; a job of
which nothing was heard for a while is asked about. When the worker goes, the job goes on, and the worker that takes the
run up waits on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import stamina

from chassis.errors import Unavailable
from chassis.telemetry import logger
from services.media import ladder
from services.media.domain.outcomes import Fault, Rejected, corrupt
from services.media.domain.remote import News, RemoteJob, RemoteStatus
from services.media.ladder import Plan
from services.media.ports import Begin, Objects, Outputs, Report, Store, Task
from services.media.storage import storage_faults
from services.media.transcoders.mediaconvert.collect import collect
from services.media.transcoders.mediaconvert.service import CALL_SECONDS, MediaConvert
from services.media.transcoders.mediaconvert.template import Account, feasible, job_request
from services.media.workspace import scratch_directory

TOKEN_SECONDS = 60.0 - CALL_SECONDS
"""For a minute MediaConvert knows a request again by its token; one that arrives later, after all the tries of a call,
would begin a second job beside the first.
"""
SILENCE_SECONDS = 60.0
_UNREADABLE = {1030: "its codec can't be decoded", 1076: "it ends too early"}
"""The errors of MediaConvert that say for certain that the input is at fault."""

T = TypeVar("T")

log = logger(__name__)


@dataclass(frozen=True)
class MediaConvertTranscoder:
    """`begin` reaches the table of what is heard, into which a run looks every `poll_seconds`.

    A job that has not ended `patience_seconds` after it was submitted is given up. `ffmpeg`, with `memory_bytes`, cuts
    the preview in `workspace`.
    """

    service: MediaConvert
    account: Account
    begin: Begin
    objects: Objects
    ffmpeg: Path
    workspace: Path
    memory_bytes: int
    patience_seconds: float
    silence_seconds: float = SILENCE_SECONDS
    poll_seconds: float = 2.0

    async def transcode(self, task: Task, report: Report) -> Outputs:
        """See ports.Transcoder."""
        report("download", 0)
        plan = feasible(ladder.plan(task.source))
        async with task.turn:
            job = await self._submit(task, plan)
            report("encode", 0)
            job = await self._wait(job, task, report)
        with scratch_directory(self.workspace) as directory:
            made = await collect(self.objects, self.ffmpeg, self.memory_bytes, task, plan, directory, report)
            report("store", 1)
            encode_seconds = job.age_seconds - job.silent_seconds
            return Outputs(made.assets(task.output_s3_prefix), round(1000 * encode_seconds), "mediaconvert")

    async def _submit(self, task: Task, plan: Plan) -> RemoteJob:
        """The run's job, which MediaConvert knows from now on; submitted at most once."""
        with storage_faults():
            await self.objects.get_range(task.input_s3_key, 0, 1)
        job = await self._with_store(lambda store: store.hand_on(task.run_id))
        if job.remote_id is None:
            if job.age_seconds > TOKEN_SECONDS:
                raise Fault("TRANSCODER_ERROR", "It is not known whether the video was handed over.", transient=True)
            await self._write_down(await self.service.create(job_request(task, plan, self.account)))
            log.info("transcode_handed_on", run_id=task.run_id, **task.labels)
        return job

    async def _wait(self, job: RemoteJob, task: Task, report: Report) -> RemoteJob:
        """The job when it is complete. Raises Rejected or Fault when it ends otherwise, or not in time."""
        while True:
            job = await self._with_store(lambda store: store.remote_job(task.run_id))
            match job.status:
                case RemoteStatus.COMPLETE:
                    return job
                case RemoteStatus.ERROR | RemoteStatus.CANCELED:
                    raise _failure(job, task)
            if job.age_seconds > self.patience_seconds:
                raise Fault(
                    "TRANSCODE_TIMEOUT",
                    f"Converting the video took longer than {self.patience_seconds:.0f} s.",
                    transient=True,
                )
            report("encode", job.percent / 100)
            if job.silent_seconds > self.silence_seconds:
                await self._ask(job)
            await asyncio.sleep(self.poll_seconds)

    async def _ask(self, job: RemoteJob) -> None:
        """For news that did not come by themselves; when there is no answer, waiting goes on."""
        if job.remote_id is not None:
            try:
                await self._write_down(await self.service.ask(job.run_id, job.remote_id))
            except Fault as fault:
                log.warning("mediaconvert_silent", run_id=job.run_id, reason=str(fault))

    async def _write_down(self, news: News) -> None:
        await self._with_store(lambda store: store.record_news(news))

    @stamina.retry(on=Unavailable, attempts=None, timeout=30.0, wait_max=2.0)
    async def _with_store(self, do: Callable[[Store], Awaitable[T]]) -> T:
        """One transaction; the database may be away for a moment, and the job goes on meanwhile."""
        async with self.begin() as tx:
            return await do(tx.store)


def _failure(job: RemoteJob, task: Task) -> Rejected | Fault:
    log.warning(
        "mediaconvert_failed",
        run_id=job.run_id,
        remote_id=job.remote_id,
        status=job.status,
        error_code=job.error_code,
        reason=job.error_message,
    )
    if job.error_code in _UNREADABLE:
        return corrupt(_UNREADABLE[job.error_code], source=task.source)
    code = f" ({job.error_code})" if job.error_code else ""
    return Fault("TRANSCODER_ERROR", f"The converting service gave the video up{code}.", transient=True)
