"""What operators decide about transcodes, on the real tables, while a worker is at them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable

import pytest
from desk_of_tests import DECIDED, AtDesk, DeskSettings
from media_jobs import LEASE_SECONDS, Clip, apply, claim, fake_tools, job_of, names_of_told, stored, told
from pydantic import SecretStr
from scratch import Scratch

from chassis.clock import new_id
from chassis.leases import LeaseLost
from chassis.postgres import Pool, open_pool
from chassis.settings import KafkaSettings, ObjectStoreSettings
from chassis.transaction import transactions
from nextplay.media.v1.media_events_pb2 import TranscodeFailed
from services.media.commands import GROUPS
from services.media.domain.outcomes import Fault, not_a_video
from services.media.fakes import A_SOURCE
from services.media.ports import Begin, Outputs, Report, Task
from services.media.repository import JOBS, Repository
from services.media.usecases import runs
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out


@pytest.fixture
async def scratch(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> Scratch:
    return await scratch_schema(resources.files("services.media.migrations"))


@pytest.fixture
async def pool(scratch: Scratch) -> AsyncIterator[Pool]:
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, Repository, lambda: None)


@pytest.fixture
def desk(
    scratch: Scratch,
    kafka: KafkaSettings,
    object_store_settings: ObjectStoreSettings,
    capsys: pytest.CaptureFixture[str],
) -> AtDesk:
    return AtDesk("media", DeskSettings(SecretStr(scratch.dsn), kafka, object_store_settings), GROUPS, capsys)


class Endless:
    """A transcoder that stores something and does not get on."""

    def __init__(self, tools: Tools) -> None:
        self.stored = stored(tools)
        self.reached = asyncio.Event()

    async def transcode(self, task: Task, report: Report) -> Outputs:
        async with task.turn:
            self.stored[task.output_s3_prefix + "half.mp4"] = b"half"
            self.reached.set()
            await asyncio.Event().wait()
        raise AssertionError("waits for ever")


def carried_out(pool: Pool, tools: Tools, seconds: float) -> Callable[[runs.Run], Awaitable[None]]:
    return partial(carry_out, pool, JOBS, seconds, partial(transcode, tools), partial(tidy_up, tools))


async def id_of(pool: Pool, clip: Clip) -> str:
    return str((await job_of(pool, clip))["job_id"])


async def at_work(pool: Pool, begin: Begin, clip: Clip, desk: AtDesk, *decision: str) -> Tools:
    """Let a worker begin the clip, decide, and wait until the worker has noticed; its lease lasts 0.9 s."""
    tools = fake_tools(begin, clip)
    endless = Endless(tools)
    stuck = Tools(**{**vars(tools), "transcoder": endless})
    (run,) = await runs.claim_run(begin, "stuck", 0.9, new_id)
    working = asyncio.ensure_future(carried_out(pool, stuck, 0.9)(run))
    async with asyncio.timeout(20):
        await endless.reached.wait()
        decided = await desk("jobs", *decision, await id_of(pool, clip), *DECIDED)
        assert decided.code == 0, decided
        await working
    return tools


async def test_a_cancelled_job_is_left_by_its_worker_and_its_owner_told_why(
    pool: Pool, begin: Begin, desk: AtDesk
) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    tools = await at_work(pool, begin, clip, desk, "cancel")
    assert stored(tools).keys() == {clip.key}, "what the run had stored is removed"
    job = await job_of(pool, clip)
    assert (job["status"], job["error_code"], job["lease_owner"]) == ("FAILED", "TRANSCODE_STOPPED", None)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeFailed"]
    failed = (await told(pool, clip))[-1]
    assert isinstance(failed, TranscodeFailed)
    assert (failed.code, failed.attempts) == ("TRANSCODE_STOPPED", 1)
    assert failed.message == "Converting the video was stopped by our operators: it was mended"
    assert await pool.fetchval("SELECT outcome FROM transcode_runs") == "FAILED"


async def test_a_run_of_a_cancelled_job_announces_nothing_even_before_it_notices(
    pool: Pool, begin: Begin, desk: AtDesk
) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    assert (await desk("jobs", "cancel", await id_of(pool, clip), *DECIDED)).code == 0
    with pytest.raises(LeaseLost):
        await runs.start_run(begin, run, A_SOURCE)
    with pytest.raises(LeaseLost):
        await runs.reject_run(begin, run, not_a_video())
    with pytest.raises(LeaseLost):
        await runs.fail_run(begin, run, Fault("TRANSCODER_ERROR", "x", transient=True), lambda: 0.5)
    await runs.leave_run(begin, run)
    assert await names_of_told(pool, clip) == ["TranscodeFailed"]
    assert (await desk("jobs", "cancel", await id_of(pool, clip), *DECIDED)).code == 1, "it has ended"
    assert await runs.claim_run(begin, "another", LEASE_SECONDS, new_id) == []


async def test_a_requeued_job_is_taken_from_its_worker_and_done_once(pool: Pool, begin: Begin, desk: AtDesk) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    tools = await at_work(pool, begin, clip, desk, "requeue")
    again = await claim(begin)
    assert (again.attempt, again.losses) == (1, 0), "the run that was taken away used up nothing"
    await carried_out(pool, tools, LEASE_SECONDS)(again)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeStarted", "TranscodeCompleted"]
    assert await runs.claim_run(begin, "another", LEASE_SECONDS, new_id) == []
    outcomes = await pool.fetch("SELECT outcome FROM transcode_runs ORDER BY started_at")
    assert [row["outcome"] for row in outcomes] == ["RETURNED", "WON"]
    assert (await desk("jobs", "requeue", await id_of(pool, clip), *DECIDED)).code == 1, "it has ended"


async def test_a_job_that_waits_for_its_next_attempt_need_not_wait(pool: Pool, begin: Begin, desk: AtDesk) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    await runs.fail_run(begin, await claim(begin), Fault("STORAGE_ERROR", "away", transient=True), lambda: 0.5)
    assert await runs.claim_run(begin, "early", LEASE_SECONDS, new_id) == []
    assert (await desk("jobs", "requeue", "--all", *DECIDED)).code == 0
    assert (await claim(begin)).attempt == 2


async def test_a_requeued_job_that_was_handed_on_begins_anew_and_lost_no_attempt(
    pool: Pool, begin: Begin, desk: AtDesk
) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    async with begin() as tx:
        await tx.store.hand_on(run.run_id)
    assert await runs.leave_run(begin, run) is None, "it goes on outside"
    assert (await desk("jobs", "requeue", await id_of(pool, clip), *DECIDED)).code == 0
    (again,) = await runs.claim_run(begin, "another", LEASE_SECONDS, new_id, take_up=True)
    assert (again.attempt, again.taken_up) == (1, False)


async def test_jobs_are_listed_and_counted_by_state_tier_and_age(pool: Pool, begin: Begin, desk: AtDesk) -> None:
    free, paid, broken = Clip(), Clip(tier="paid"), Clip(tier="verified")
    await apply(begin, broken.uploaded())
    await runs.fail_run(begin, await claim(begin), Fault("TRANSCODER_ERROR", "why", transient=False), lambda: 0.5)
    await apply(begin, free.uploaded(), paid.uploaded())
    await pool.execute(
        "UPDATE transcode_jobs SET created_at = now() - interval '1 hour' WHERE video_id = $1", free.video_id
    )

    async def listed(*arguments: str) -> list[str]:
        return [row["video_id"] for row in (await desk("jobs", "list", *arguments, "--json")).rows]

    assert await listed() == [str(paid.video_id), str(free.video_id)], "in the order of the queue"
    assert await listed("--tier", "paid") == [str(paid.video_id)]
    assert await listed("--older-than", "30") == [str(free.video_id)]
    assert await listed("--state", "FAILED") == [str(broken.video_id)]
    assert [(row["tier"], row["jobs"]) for row in (await desk("jobs", "queue", "--json")).rows] == [
        ("free", 1),
        ("paid", 1),
    ]
    [failure] = (await desk("jobs", "failures", "--json")).rows
    assert (failure["error_code"], failure["jobs"], failure["of_video"]) == (
        "TRANSCODER_ERROR",
        1,
        str(broken.video_id),
    )


async def test_a_video_is_shown_with_its_jobs_runs_and_events(pool: Pool, begin: Begin, desk: AtDesk) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    await runs.fail_run(begin, await claim(begin), Fault("TRANSCODER_ERROR", "why", transient=False), lambda: 0.5)
    [shown] = (await desk("videos", "show", str(clip.video_id), "--json")).rows
    assert [job["error_message"] for job in shown["jobs"]] == ["why"]
    assert [(run["attempt"], run["outcome"]) for run in shown["runs"]] == [(1, "FAILED")]
    assert [event["event_type"] for event in shown["events_waiting"]] == ["nextplay.media.v1.TranscodeFailed"]
    text = (await desk("videos", "show", str(clip.video_id))).out
    assert "deleted:\n  none\n" in text
    assert "TRANSCODER_ERROR" in text
