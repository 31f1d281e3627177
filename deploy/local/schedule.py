"""Runs the platform's jobs on their cron schedules: one at a time, each as a short process."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from cronsim import CronSim

from deploy.local.home import Home
from deploy.local.process import Process
from deploy.local.watch import run_to_end

_JOB_SECONDS = 120


class Schedule:
    """Jobs that are due, one after the other: so no job runs twice at once, and jobs that are due in the same minute
    do not compete for the CPU."""

    def __init__(self, home: Home, jobs: Mapping[str, tuple[str, Process]]) -> None:
        """`jobs`: name → (cron expression in UTC, process)."""
        self._home = home
        self._jobs = jobs
        self._running = asyncio.Lock()

    async def run(self) -> None:
        """Runs until cancelled. A run that was missed because another took long is made up for once."""
        due = {name: _next(cron) for name, (cron, _) in self._jobs.items()}
        while due:
            name = min(due, key=lambda job: due[job])
            await asyncio.sleep(max(0, due[name].timestamp() - time.time()))
            await self.run_now(name)
            due[name] = _next(self._jobs[name][0])

    async def run_now(self, name: str) -> int:
        """Runs a job and returns its exit status; a job that takes more than two minutes is killed."""
        async with self._running:
            status = await run_to_end(self._jobs[name][1], self._home, _JOB_SECONDS)
        if status != 0:
            print(f"the job {name} ended with status {status}; read {self._home.log_of(name)}", flush=True)
        return status


def _next(cron: str) -> datetime:
    return next(CronSim(cron, datetime.now(UTC)))
