"""The jobs. Each may run twice at once, and what it left undone the next run does."""

from chassis.consumer import forget_applied_events
from chassis.postgres import Pool
from services.media.ports import Begin, Objects
from services.media.usecases import jobs, outputs


async def sweep_outputs(begin: Begin, objects: Objects, ended_seconds_ago: float) -> dict[str, int]:
    """Remove the objects of runs that did not win, once nothing of theirs can still be on its way."""
    return {"runs": await outputs.sweep(begin, objects, ended_seconds_ago)}


async def retry_failed_jobs(begin: Begin) -> dict[str, int]:
    """Retry jobs whose last run failed without waiting any longer: after an outage, when its cause is mended."""
    return {"jobs": await jobs.retry_failed(begin)}


async def clean_up(pool: Pool) -> dict[str, int]:
    """Delete inbox rows after 30 days."""
    return {"applied_events": await forget_applied_events(pool)}
