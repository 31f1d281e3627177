"""What is told of a run's progress."""

import asyncio
from datetime import UTC, datetime

from google.protobuf.message import Message

from chassis.clock import new_id
from services.media.domain.job import Job, Run
from services.media.usecases.progress import Progress, telling


class Seconds:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_rest_of_the_encode_is_estimated_from_its_pace() -> None:
    clock = Seconds()
    progress = Progress(clock)
    progress.report("encode", 0.0)
    clock.now += 4
    progress.report("encode", 0.5)
    assert (progress.stage, progress.remaining_seconds) == ("encode", 5)


def test_nothing_is_estimated_before_the_encode() -> None:
    progress = Progress(Seconds())
    progress.report("download", 1.0)
    assert (progress.percent, progress.remaining_seconds) == (5, None)


def test_the_percentage_never_falls() -> None:
    progress = Progress(Seconds())
    progress.report("encode", 0.9)
    before = progress.percent
    progress.report("encode", 0.2)
    assert progress.percent == before


async def test_telling_has_ended_when_its_block_has() -> None:
    sending, ended = asyncio.Event(), asyncio.Event()

    async def send(signal: Message) -> None:
        sending.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as a broker's client, which lets go of its buffer first
            ended.set()

    ids = {name: new_id() for name in ("job_id", "video_id", "upload_id", "user_id")}
    job = Job(**ids, generation=1, tier="free", input_s3_key="original", size_bytes=1)
    run = Run(new_id(), attempt=1, fence=1, job=job, queued_at=datetime.now(UTC), traceparent=None)
    began = asyncio.Event()
    began.set()
    async with telling(Progress(Seconds()), began, send, run):
        await asyncio.wait_for(sending.wait(), 5)
    assert ended.is_set()
