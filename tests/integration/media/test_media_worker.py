"""Runs beside each other in one worker: the next clip is made ready while the present one is in the encoder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial

from botocore.exceptions import ClientError
from media_jobs import LEASE_SECONDS, Clip, apply, fake_tools, job_of, names_of_told

from chassis.clock import new_id
from chassis.postgres import Pool
from chassis.work import work
from services.media import reads
from services.media.domain.source import Source
from services.media.fakes import A_SOURCE, FakeProber, FakeTranscoder, MemoryObjects
from services.media.ports import Begin, Outputs, Report, Task, Tx
from services.media.repository import JOBS
from services.media.usecases import runs
from services.media.usecases.lanes import Lanes
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out, claim_whole, side_by_side

POLL_SECONDS = 0.02


@dataclass
class Watched:
    """A prober and a transcoder that note what they are at; an encode ends when it is told to."""

    prober: FakeProber
    transcoder: FakeTranscoder
    too_long: set[str] = field(default_factory=set)
    probed: list[str] = field(default_factory=list)
    encoding: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    may_end: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    may_store: asyncio.Event = field(default_factory=asyncio.Event)

    async def probe(self, key: str, size_bytes: int) -> Source:
        self.probed.append(key)
        source = await self.prober.probe(key, size_bytes)
        return replace(source, duration_ms=30_034) if key in self.too_long else source

    async def transcode(self, task: Task, report: Report) -> Outputs:
        async with task.turn:
            self.encoding.append(task.input_s3_key)
            report("encode", 0)
            report("encode", 0.5)  # almost at once, so the rest will not take long either
            await self.may_end.acquire()
        await self.may_store.wait()
        outputs = await self.transcoder.transcode(replace(task, turn=nullcontext()), report)
        self.stored.append(task.input_s3_key)
        return outputs


def watched_tools(begin: Begin, *clips: Clip) -> tuple[Tools, Watched]:
    tools = fake_tools(begin, *clips)
    watched = Watched(FakeProber(tools.objects), FakeTranscoder(tools.objects))
    return replace(tools, prober=watched, transcoder=watched, lanes=Lanes(1)), watched


@asynccontextmanager
async def worker(pool: Pool, tools: Tools) -> AsyncIterator[None]:
    """A worker with one slot, as `python -m services.media worker` wires it."""
    claim = partial(
        tools.lanes.claim,
        partial(reads.is_job_due, pool),
        partial(
            claim_whole,
            partial(runs.claim_run, tools.begin, "tester", LEASE_SECONDS, new_id),
            partial(runs.leave_run, tools.begin),
        ),
        POLL_SECONDS,
    )
    do = partial(carry_out, pool, JOBS, LEASE_SECONDS, partial(transcode, tools), partial(tidy_up, tools))
    loops = (work("transcode", claim, do, wake=asyncio.Event()) for _ in range(3))
    working = [asyncio.create_task(side_by_side(*loops))]
    try:
        yield
    finally:
        working[0].cancel()
        await asyncio.wait(working)


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not look():  # noqa: ASYNC110 - what tasks of the worker have seen
            await asyncio.sleep(0.01)


async def test_the_next_clip_is_probed_while_the_present_one_encodes_and_told_when_its_turn_comes(
    pool: Pool, begin: Begin
) -> None:
    first, second, third = Clip(), Clip(), Clip()
    tools, watched = watched_tools(begin, first, second, third)
    await apply(begin, *(clip.uploaded() for clip in (first, second, third)))
    async with worker(pool, tools):
        await until(lambda: len(watched.probed) == 2)
        assert watched.encoding == [first.key]
        assert await names_of_told(pool, second) == []
        assert (await job_of(pool, third))["status"] == "QUEUED"
        watched.may_end.release()
        await until(lambda: len(watched.encoding) == 2)
        assert await names_of_told(pool, second) == ["TranscodeStarted"]
        assert watched.stored == [], "the next one encodes while the first one is stored"
        watched.may_store.set()
        watched.may_end.release()
        watched.may_end.release()
        await until(lambda: len(watched.stored) == 3)


async def test_a_clip_that_is_made_ready_is_rejected_without_waiting_for_the_encoder(pool: Pool, begin: Begin) -> None:
    first, second = Clip(), Clip()
    tools, watched = watched_tools(begin, first, second)
    watched.too_long.add(second.key)
    await apply(begin, first.uploaded(), second.uploaded())
    async with worker(pool, tools):
        await until(lambda: watched.encoding == [first.key])
        async with asyncio.timeout(20):
            while (await job_of(pool, second))["status"] != "REJECTED":  # noqa: ASYNC110 - the worker's doing
                await asyncio.sleep(0.01)
        assert watched.encoding == [first.key]


async def test_a_worker_lives_on_when_the_storage_refuses_to_be_tidied(pool: Pool, begin: Begin) -> None:
    class Refused(MemoryObjects):
        async def delete_prefix(self, prefix: str) -> int:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObjects")

    bad, good = Clip(), Clip()
    objects = Refused({clip.key: b"original" for clip in (bad, good)})
    prober = FakeProber(objects, replace(A_SOURCE, duration_ms=30_034))
    tools = fake_tools(begin, objects=objects, prober=prober, transcoder=FakeTranscoder(objects))
    async with worker(pool, tools):
        for clip in (bad, good):
            await apply(begin, clip.uploaded())
            async with asyncio.timeout(20):
                while not (await job_of(pool, clip))["completed_at"]:  # noqa: ASYNC110 - the worker's doing
                    await asyncio.sleep(0.01)
            prober.finding = A_SOURCE
    assert [(await job_of(pool, clip))["status"] for clip in (bad, good)] == ["REJECTED", "COMPLETED"]


async def test_a_worker_that_stops_gives_back_what_it_has_made_ready(pool: Pool, begin: Begin) -> None:
    first, second = Clip(), Clip()
    tools, watched = watched_tools(begin, first, second)
    await apply(begin, first.uploaded(), second.uploaded())
    async with worker(pool, tools):
        await until(lambda: len(watched.probed) == 2)
    jobs = [await job_of(pool, clip) for clip in (first, second)]
    assert [(job["status"], job["attempts"], job["lease_owner"]) for job in jobs] == [("QUEUED", 0, None)] * 2
    assert tools.lanes.has_room


async def test_a_worker_that_is_stopped_while_its_claim_commits_gives_the_job_back(pool: Pool, begin: Begin) -> None:
    committing, answered = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slowly() -> AsyncIterator[Tx]:
        """Transactions of which PostgreSQL tells late that they are committed."""
        async with begin() as tx:
            yield tx
        committing.set()
        await answered.wait()

    clip = Clip()
    await apply(begin, clip.uploaded())
    async with worker(pool, fake_tools(slowly, clip)):
        await committing.wait()
        assert (await job_of(pool, clip))["status"] == "PROCESSING"
        asyncio.get_running_loop().call_later(0.1, answered.set)  # after the worker was told to stop
    job = await job_of(pool, clip)
    assert (job["status"], job["attempts"], job["losses"], job["lease_owner"]) == ("QUEUED", 0, 0, None)
    (run,) = await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id)
    assert (run.attempt, run.losses) == (1, 0)
    assert await names_of_told(pool, clip) == [], "nothing was lost"
