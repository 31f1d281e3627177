"""From a claimed run to one of its ends."""

import asyncio
import errno
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chassis import tracing
from chassis.errors import Unavailable
from chassis.leases import LeaseLost
from chassis.telemetry import logger
from services.media import metrics
from services.media.domain.job import Run, RunOutcome
from services.media.domain.outcomes import Fault, Rejected, check, disk_full
from services.media.ports import Begin, Objects, Prober, SendSignal, Task, Transcoder
from services.media.usecases import runs
from services.media.usecases.lanes import Lanes
from services.media.usecases.progress import Progress, telling

log = logger(__name__)


@dataclass(frozen=True)
class Tools:
    """What a worker works with. `lanes` are shared by its runs, `bucket` is where outputs are stored."""

    begin: Begin
    prober: Prober
    transcoder: Transcoder
    objects: Objects
    send_signal: SendSignal
    lanes: Lanes
    bucket: str


async def transcode(tools: Tools, run: Run) -> None:
    """Carry a run out to an end that is recorded and told.

    Raises LeaseLost, and Unavailable when nothing can be recorded: then the lease decides what becomes of the job.
    """
    asked_for = tracing.resumed(run.traceparent, video_id=run.job.video_id, upload_id=run.job.upload_id)
    about: tracing.Attributes = {
        "nextplay.run_id": str(run.run_id),
        "nextplay.attempt": run.attempt,
        "nextplay.tier": run.job.tier,
    }
    with tracing.span("transcode", attributes=about, context=asked_for) as span:
        try:
            await _work(tools, run)
        except Rejected as why:
            span.set_attribute("nextplay.code", why.code)
            await runs.reject_run(tools.begin, run, why)
        except Fault as fault:
            tracing.failed(span, fault.code)
            await runs.fail_run(tools.begin, run, fault, random.random)
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:
            tracing.failed(span, type(error).__name__)
            log.error("run_broken", video_id=run.job.video_id, run_id=run.run_id)
            await runs.fail_run(tools.begin, run, _our_fault(error), random.random)


async def tidy_up(tools: Tools, run: Run) -> None:
    """After a run, however it went: it holds its job no more, and leaves no objects unless it won or goes on elsewhere.

    Raises Unavailable; what was not removed then, the sweep finds later.
    """
    tools.lanes.leave(run)
    outcome = await runs.leave_run(tools.begin, run)
    if outcome not in (None, RunOutcome.WON):
        removed = await tools.objects.delete_prefix(run.output_s3_prefix)
        log.info("outputs_removed", run_id=run.run_id, outcome=outcome, objects=removed)


def _our_fault(error: Exception) -> Fault:
    """What nobody foresaw, as a run's end."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return disk_full()
    return Fault("TRANSCODER_ERROR", "Converting the video failed on our side.", transient=True)


async def _work(tools: Tools, run: Run) -> None:
    started, waited = time.monotonic(), 0.0
    source = await tools.prober.probe(run.job.input_s3_key, run.job.size_bytes)
    check(source)
    if not run.taken_up:
        metrics.originals_probed.add(1, {"verdict": "accepted"})
    progress, began = Progress(time.monotonic), asyncio.Event()

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        nonlocal waited
        ready = time.monotonic()
        async with tools.lanes.encoding(run, progress):
            waited = time.monotonic() - ready
            await runs.start_run(tools.begin, run, source)
            began.set()
            yield

    task = Task(run.run_id, run.job.input_s3_key, run.output_s3_prefix, source, turn(), run.job.labels)
    async with telling(progress, began, tools.send_signal, run):
        outputs = await tools.transcoder.transcode(task, progress.report)
    run_ms = round(1000 * (time.monotonic() - started - waited))
    await runs.complete_run(tools.begin, run, source, outputs, tools.bucket, run_ms)
