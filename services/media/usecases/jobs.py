"""Jobs come and are called off."""

from uuid import UUID

from chassis.telemetry import logger
from services.media import metrics
from services.media.domain.job import Job, JobStatus, RunOutcome
from services.media.domain.outcomes import stopped
from services.media.ports import Begin, Tx
from services.media.usecases import facts

EVERY_GENERATION = 2**31 - 1

log = logger(__name__)


async def request_transcode(tx: Tx, job: Job) -> bool:
    """Queue a job; False when there is nothing to do: it is there, a newer one is, or the video was deleted.

    An older generation's job that still waits or runs is called off, because nobody wants its outputs.
    """
    await tx.store.lock_video(job.video_id)
    if await tx.store.is_deleted(job.video_id) or await tx.store.is_superseded(job):
        return False
    if not await tx.store.insert_job(job):
        return False
    await tx.store.cancel_jobs(job.video_id, below_generation=job.generation)
    metrics.jobs_created.add(1, {"tier": job.tier})
    log.info("transcode_queued", video_id=job.video_id, job_id=job.job_id, generation=job.generation, tier=job.tier)
    return True


async def retry_failed(begin: Begin) -> int:
    """What made runs fail is mended: their jobs wait no longer for their retries. How many there were."""
    async with begin() as tx:
        jobs = await tx.store.retry_at_once()
    log.info("retries_brought_forward", jobs=jobs)
    return jobs


async def stop(begin: Begin, job_id: UUID, why: str) -> bool:
    """An operator decided that the job shall not go on: it fails, and its owner is told `why`. False when it has ended.

    A worker that runs it is stopped at its next heartbeat, and can't announce anything from now on.
    """
    async with begin() as tx:
        under_way = await tx.store.lock_job_under_way(job_id)
        if under_way is None:
            return False
        (job, attempts), fault = under_way, stopped(why)
        fact = facts.failed(job, fault, attempts)
        await tx.store.end_open_runs(job_id, RunOutcome.FAILED, fault.code)
        await tx.store.stop_job(job_id, fault.code, str(fault))
        await tx.store.record_fact(job_id, fact)
        tx.emit(fact)
    metrics.jobs_ended.add(1, {"status": JobStatus.FAILED, "code": fault.code})
    log.info("transcode_stopped", video_id=job.video_id, job_id=job_id)
    return True


async def requeue(begin: Begin, job_id: UUID) -> bool:
    """Queue a job at once that waits for its next attempt, or that a worker holds and does not get on with.

    The worker's run uses no attempt up, and stops as in `stop`. False when the job has ended: a failed one is retried
    by the catalog, as its owner would.
    """
    async with begin() as tx:
        if await tx.store.lock_job_under_way(job_id) is None:
            return False
        await tx.store.queue_anew(job_id, await tx.store.end_open_runs(job_id, RunOutcome.RETURNED))
    log.info("transcode_requeued", job_id=job_id)
    return True


async def forget_video(tx: Tx, video_id: UUID, user_id: UUID) -> None:
    """The video was deleted, for ever: no work for it any more, and its outputs go."""
    await tx.store.lock_video(video_id)
    await tx.store.bury(video_id, user_id)
    cancelled = await tx.store.cancel_jobs(video_id, below_generation=EVERY_GENERATION)
    metrics.jobs_ended.add(cancelled, {"status": "CANCELLED", "code": ""})
    log.info("video_forgotten", video_id=video_id, cancelled_jobs=cancelled)
