"""Jobs come and are called off."""

from uuid import UUID

from chassis.telemetry import logger
from services.media import metrics
from services.media.domain.job import Job
from services.media.ports import Begin, Tx

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


async def forget_video(tx: Tx, video_id: UUID, user_id: UUID) -> None:
    """The video was deleted, for ever: no work for it any more, and its outputs go."""
    await tx.store.lock_video(video_id)
    await tx.store.bury(video_id, user_id)
    cancelled = await tx.store.cancel_jobs(video_id, below_generation=EVERY_GENERATION)
    metrics.jobs_ended.add(cancelled, {"status": "CANCELLED", "code": ""})
    log.info("video_forgotten", video_id=video_id, cancelled_jobs=cancelled)
