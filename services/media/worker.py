"""The worker around one run: the lease and its heartbeat, and what is left to do when it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from chassis.errors import Unavailable
from chassis.leases import LeaseLost, Leases
from chassis.postgres import Pool
from chassis.telemetry import logger
from services.media.domain.job import Run

TIDY_SECONDS = 10.0
"""Within the time that a process has for each of its parts when it stops."""

log = logger(__name__)


async def carry_out(
    pool: Pool,
    leases: Leases,
    lease_seconds: float,
    transcode: Callable[[Run], Coroutine[Any, Any, None]],
    tidy_up: Callable[[Run], Awaitable[None]],
    run: Run,
) -> None:
    """Transcode while the lease is held, and tidy up.

    Cancelled (the worker stops), the job is given back at once and no attempt is used up. When the lease is lost, the
    job is somebody else's and only the run's own objects are removed.
    """
    try:
        await leases.while_held(pool, run.job.job_id, run.fence, lease_seconds, transcode(run))
    except LeaseLost:
        log.warning("lease_lost", video_id=run.job.video_id, run_id=run.run_id)
    finally:
        try:
            async with asyncio.timeout(TIDY_SECONDS):
                await tidy_up(run)
        except (Unavailable, TimeoutError) as error:
            log.warning("run_not_tidied", run_id=run.run_id, reason=repr(error))
