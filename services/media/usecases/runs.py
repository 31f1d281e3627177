"""Runs: how one begins, and each way in which it can end. Every end is one transaction, which first makes sure that
the run still holds its job; a run that does not announces nothing.

The database may be away for a moment just when minutes of work are done, so the ends are tried again for as long as a
lease lasts; the heartbeat cancels them when it does not.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import stamina
from google.protobuf.message import Message

from chassis.clock import NewId, utc_now
from chassis.errors import Unavailable
from chassis.leases import LeaseLost
from chassis.telemetry import logger
from services.media import metrics
from services.media.domain.job import MAX_LOSSES, JobStatus, Run, RunOutcome, public_code, retry_after, worker_lost
from services.media.domain.outcomes import Fault, Rejected
from services.media.domain.source import Source
from services.media.ports import Begin, Outputs, Tx
from services.media.usecases import facts

log = logger(__name__)
_patiently = stamina.retry(on=Unavailable, attempts=None, timeout=30.0, wait_max=2.0)


async def claim_run(
    begin: Begin, owner: str, lease_seconds: float, make_id: NewId, *, take_up: bool = False
) -> list[Run]:
    """The run that comes first, under a lease; none when nothing is due. `take_up`: see ports.Store.claim_run.

    If the run before it was lost with its worker, that is told now; a job that has lost too many workers fails.
    """
    async with begin() as tx:
        run = await tx.store.claim_run(make_id(), owner, lease_seconds, take_up=take_up)
        if run is None:
            return []
        lost = await tx.store.end_lost_runs(run)
        if lost is not None:
            run = replace(run, attempt=lost.attempt, losses=lost.count)
        fault = worker_lost(run.attempt)
        if run.losses > MAX_LOSSES:
            await tx.store.release_job(run)
            await _fail(tx, run, fault, attempts=run.attempt - 1 + run.losses)
            return []
        if lost is not None:
            await _tell(tx, run, facts.retry_scheduled(run, fault, lost.attempt, lost.found_at))
            metrics.retries_scheduled.add(1, {"code": fault.code})
    if run.attempt == 1 and not run.taken_up:
        metrics.queue_seconds.record((utc_now() - run.queued_at).total_seconds(), {"tier": run.job.tier})
    log.info("run_claimed", video_id=run.job.video_id, run_id=run.run_id, attempt=run.attempt, taken_up=run.taken_up)
    return [run]


@_patiently
async def start_run(begin: Begin, run: Run, source: Source) -> None:
    """The original is acceptable; told once, by the worker that began the run. Raises LeaseLost."""
    if run.taken_up:
        return
    async with _holding(begin, run) as tx:
        await _tell(tx, run, facts.started(run, source))


@_patiently
async def complete_run(begin: Begin, run: Run, source: Source, outputs: Outputs, bucket: str, run_ms: int) -> None:
    """All outputs are stored: the run wins. Raises LeaseLost."""
    async with _holding(begin, run) as tx:
        await tx.store.end_job(run, JobStatus.COMPLETED)
        await _tell(tx, run, facts.completed(run, source, outputs, bucket, run_ms))
    metrics.jobs_ended.add(1, {"status": JobStatus.COMPLETED, "code": ""})
    metrics.encode_seconds.record(outputs.encode_ms / 1000, {"encoder": outputs.encoder})
    speed = source.duration_ms / max(1, outputs.encode_ms)
    for asset in outputs.assets:
        if asset.kind.startswith("MP4_"):
            metrics.encode_speed.record(speed, {"encoder": outputs.encoder, "rung": asset.kind})
    log.info("transcode_completed", video_id=run.job.video_id, run_id=run.run_id, run_ms=run_ms)


@_patiently
async def reject_run(begin: Begin, run: Run, why: Rejected) -> None:
    """The original is unacceptable. Raises LeaseLost."""
    async with _holding(begin, run) as tx:
        await tx.store.end_job(run, JobStatus.REJECTED, code=why.code, message=str(why))
        await _tell(tx, run, facts.rejected(run, why))
    metrics.jobs_ended.add(1, {"status": JobStatus.REJECTED, "code": why.code})
    metrics.originals_probed.add(1, {"verdict": "duration_rejected" if why.too_long else "format_rejected"})
    log.info("video_rejected", video_id=run.job.video_id, code=why.code, measured=why.measured, limit=why.limit)


@_patiently
async def fail_run(begin: Begin, run: Run, fault: Fault, random: Callable[[], float]) -> None:
    """The run failed: the job is tried again later, or fails for good. Raises LeaseLost."""
    seconds = retry_after(fault, run.attempt, random)
    async with _holding(begin, run) as tx:
        if seconds is None:
            await _fail(tx, run, fault, attempts=run.attempt)
            return
        await tx.store.end_run(run.run_id, RunOutcome.FAILED, fault.code)
        next_at = await tx.store.retry_job(run, seconds)
        await _tell(tx, run, facts.retry_scheduled(run, fault, run.attempt, next_at))
    metrics.retries_scheduled.add(1, {"code": fault.code})
    log.warning("run_failed", video_id=run.job.video_id, run_id=run.run_id, code=fault.code, retry_in_seconds=seconds)


async def leave_run(begin: Begin, run: Run) -> RunOutcome | None:
    """Let go of a run in whatever state: if it still holds its job, the job is queued as if it had not been tried.

    The outcome that stays; only after another one than WON may the run's objects be removed. None when the run was
    handed on and the next claim of its job takes it up.
    """
    async with begin() as tx:
        held = await tx.store.hold(run)
        if held:
            await tx.store.release_job(run)
        if await tx.store.goes_on(run.run_id):
            return None
        return await tx.store.end_run(run.run_id, RunOutcome.RETURNED if held else RunOutcome.LOST)


@asynccontextmanager
async def _holding(begin: Begin, run: Run) -> AsyncIterator[Tx]:
    async with begin() as tx:
        if not await tx.store.hold(run):
            raise LeaseLost(f"run {run.run_id} does not hold job {run.job.job_id} any more")
        yield tx


async def _fail(tx: Tx, run: Run, fault: Fault, *, attempts: int) -> None:
    await tx.store.end_job(run, JobStatus.FAILED, code=public_code(fault.code), message=str(fault))
    await _tell(tx, run, facts.failed(run.job, fault, attempts))
    metrics.jobs_ended.add(1, {"status": JobStatus.FAILED, "code": fault.code})
    log.error("transcode_failed", video_id=run.job.video_id, run_id=run.run_id, code=fault.code, attempts=attempts)


async def _tell(tx: Tx, run: Run, fact: Message) -> None:
    """Emit, and remember as what is answered about the job."""
    await tx.store.record_fact(run.job.job_id, fact)
    tx.emit(fact)
