"""What a worker has under way: as many runs in the encoder as it has slots, and one that is made ready meanwhile."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from services.media.domain.job import Run
from services.media.usecases.progress import Progress

AHEAD_SECONDS = 10
"""How long before an encoder is free its next run is claimed: time enough to probe and fetch any clip. A run that is
claimed earlier would only be kept from the worker that is free first, and from a paid job that comes in between."""


BUSY_SECONDS, BUSY_POLL_SECONDS = 60.0, 0.05
"""For so long after a job the next one is looked for more often: where one clip comes, others do."""


class Lanes:
    """The runs of one worker, and whether it should take another one."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._free = asyncio.Semaphore(slots)
        self._before: set[UUID] = set()
        self._encoding: dict[UUID, Progress] = {}
        self._claiming = asyncio.Lock()
        self._claimed_at = -math.inf

    @property
    def has_room(self) -> bool:
        """Whether an encoder waits for a run, or soon will."""
        free = self._slots - len(self._encoding) - len(self._before)
        if free == 0:
            remaining = (progress.remaining_seconds for progress in self._encoding.values())
            return any(seconds is not None and seconds <= AHEAD_SECONDS for seconds in remaining)
        return free > 0

    async def claim(
        self, is_due: Callable[[], Awaitable[bool]], claim: Callable[[], Awaitable[Sequence[Run]]], poll_seconds: float
    ) -> Sequence[Run]:
        """Wait until there is room and a job, and claim it; one at a time looks, whoever else asks waits for its turn.

        Only looks before it claims: an idle worker looks several times a second.
        """
        loop = asyncio.get_running_loop()
        async with self._claiming:
            while True:
                if self.has_room and await is_due():
                    runs = await claim()
                    self._before |= {run.run_id for run in runs}
                    if runs:
                        self._claimed_at = loop.time()
                        return runs
                busy = loop.time() - self._claimed_at < BUSY_SECONDS
                await asyncio.sleep(min(poll_seconds, BUSY_POLL_SECONDS) if busy else poll_seconds)

    @asynccontextmanager
    async def encoding(self, run: Run, progress: Progress) -> AsyncIterator[None]:
        """Wait for a free encoder, and have it until the end of the block."""
        async with self._free:
            self._before.discard(run.run_id)
            self._encoding[run.run_id] = progress
            try:
                yield
            finally:
                del self._encoding[run.run_id]

    def leave(self, run: Run) -> None:
        """The run has ended, whether it came to an encoder or not."""
        self._before.discard(run.run_id)
