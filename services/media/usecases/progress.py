"""How far a run is, and how it is told."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import chain, repeat

from nextplay.media.v1.media_signals_pb2 import TranscodeProgressed
from services.media.domain.job import Run, percent
from services.media.ports import SendSignal

FIRST_PAUSES, FIRST_PAUSE_SECONDS = 4, 0.5
PAUSE_SECONDS = 1.0
"""Between signals: more often at first, so that a short clip shows some progress too."""


class Progress:
    """How far a run is, and how long the rest of the encode will take at the pace so far."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._encoding_since: float | None = None
        self.stage, self.percent = "download", 0
        self.remaining_seconds: int | None = None

    def report(self, stage: str, fraction: float) -> None:
        """See ports.Report."""
        self.stage, self.percent = stage, max(self.percent, percent(stage, fraction))
        now = self._seconds()
        if self._encoding_since is None:
            self._encoding_since = now if stage == "encode" else None
        elif stage == "encode" and fraction > 0.02:
            self.remaining_seconds = math.ceil((now - self._encoding_since) * (1 - fraction) / fraction) + 1
        elif stage != "encode":
            self.remaining_seconds = 1


@asynccontextmanager
async def telling(progress: Progress, began: asyncio.Event, send: SendSignal, run: Run) -> AsyncIterator[None]:
    """Once the run `began`, send what changed of its progress: twice a second at first, then once a second."""

    async def tell() -> None:
        told = None
        await began.wait()
        for pause in chain(repeat(FIRST_PAUSE_SECONDS, FIRST_PAUSES), repeat(PAUSE_SECONDS)):
            if told != (progress.stage, progress.percent):
                told = (progress.stage, progress.percent)
                await send(
                    TranscodeProgressed(
                        video_id=str(run.job.video_id),
                        generation=run.job.generation,
                        run_id=str(run.run_id),
                        percent=progress.percent,
                        stage=progress.stage,
                        remaining_seconds=progress.remaining_seconds,
                    )
                )
            await asyncio.sleep(pause)

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
