"""The worker around one run: its claim, the lease and its heartbeat, and what is left to do when it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from chassis.leases import LeaseLost, Leases
from chassis.postgres import Pool
from chassis.telemetry import logger
from services.media.domain.job import Run

TIDY_SECONDS = 10.0
"""Within the time that a process has for each of its parts when it stops."""

log = logger(__name__)


async def claim_whole(
    claim: Callable[[], Coroutine[Any, Any, Sequence[Run]]], give_back: Callable[[Run], Awaitable[object]]
) -> Sequence[Run]:
    """What `claim` claims. Cancelled (the worker stops) while that is being committed, nobody would know of it and the
    leases would end as if a worker had been lost: so it is waited for, and given back.
    """
    claiming = asyncio.create_task(claim())
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        try:
            async with asyncio.timeout(TIDY_SECONDS):
                for run in await claiming:
                    await give_back(run)
        except Exception as error:  # whatever it is: the lease ends
            log.warning("claim_not_given_back", reason=repr(error))
        raise


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
        except Exception as error:  # whatever it is: the lease ends, and the sweep finds what was left
            log.warning("run_not_tidied", run_id=run.run_id, reason=repr(error))


async def side_by_side(*loops: Coroutine[Any, Any, None]) -> None:
    """Run loops as one task: told to stop together, each has the whole time that a task is given to let its run go."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(loop)
