"""From a claimed run to one of its ends."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry import trace

from chassis.errors import Unavailable
from chassis.leases import LeaseLost
from chassis.telemetry import context_from, logger
from nextplay.media.v1.media_signals_pb2 import TranscodeProgressed
from services.media import metrics
from services.media.domain.job import Run, RunOutcome, percent
from services.media.domain.outcomes import Fault, Rejected, check
from services.media.ports import Begin, Objects, Prober, SendSignal, Task, Transcoder
from services.media.usecases import runs

PROGRESS_SECONDS = 0.5

log = logger(__name__)
tracer = trace.get_tracer(__name__)


@dataclass(frozen=True)
class Tools:
    """What a worker works with. `bucket` is where outputs are stored."""

    begin: Begin
    prober: Prober
    transcoder: Transcoder
    objects: Objects
    send_signal: SendSignal
    bucket: str


async def transcode(tools: Tools, run: Run) -> None:
    """Carry a run out to an end that is recorded and told.

    Raises LeaseLost, and Unavailable when nothing can be recorded: then the lease decides what becomes of the job.
    """
    with tracer.start_as_current_span("transcode", context=context_from(run.traceparent)) as span:
        span.set_attribute("video_id", str(run.job.video_id))
        try:
            await _work(tools, run)
        except Rejected as why:
            await runs.reject_run(tools.begin, run, why)
        except Fault as fault:
            await runs.fail_run(tools.begin, run, fault, random.random)
        except (LeaseLost, Unavailable):
            raise
        except Exception:
            log.error("run_broken", video_id=run.job.video_id, run_id=run.run_id)
            broken = Fault("TRANSCODER_ERROR", "Converting the video failed on our side.", transient=True)
            await runs.fail_run(tools.begin, run, broken, random.random)


async def tidy_up(tools: Tools, run: Run) -> None:
    """After a run, however it went: it holds its job no more, and leaves no objects unless it won.

    Raises Unavailable; what was not removed then, the sweep finds later.
    """
    outcome = await runs.leave_run(tools.begin, run)
    if outcome is not RunOutcome.WON:
        removed = await tools.objects.delete_prefix(run.output_s3_prefix)
        log.info("outputs_removed", run_id=run.run_id, outcome=outcome, objects=removed)


async def _work(tools: Tools, run: Run) -> None:
    started = time.monotonic()
    source = await tools.prober.probe(run.job.input_s3_key, run.job.size_bytes)
    check(source)
    metrics.originals_probed.add(1, {"verdict": "accepted"})
    await runs.start_run(tools.begin, run, source)
    task = Task(run.run_id, run.job.input_s3_key, run.output_s3_prefix, source)
    progress = Progress(time.monotonic)
    async with _telling(progress, tools.send_signal, run):
        outputs = await tools.transcoder.transcode(task, progress.report)
    run_ms = round(1000 * (time.monotonic() - started))
    await runs.complete_run(tools.begin, run, source, outputs, tools.bucket, run_ms)


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
async def _telling(progress: Progress, send: SendSignal, run: Run) -> AsyncIterator[None]:
    """Send what changed of the progress, twice a second at most."""

    async def tell() -> None:
        told = None
        while True:
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
            await asyncio.sleep(PROGRESS_SECONDS)

    teller = asyncio.create_task(tell())
    try:
        yield
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
