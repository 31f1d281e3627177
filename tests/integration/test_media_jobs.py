"""Transcode jobs on the real tables: made once, done in turn, ended once, called off for good."""

import asyncio
import errno
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable

import pytest
from media_jobs import (
    LEASE_SECONDS,
    Clip,
    apply,
    claim,
    fake_tools,
    job_of,
    let_leases_end,
    names_of_told,
    stored,
    told,
)
from scratch import Scratch

from chassis.clock import new_id
from chassis.leases import LeaseLost
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from nextplay.media.v1.media_signals_pb2 import TranscodeProgressed
from services.media import maintenance, mapping, reads
from services.media.domain.job import MAX_LOSSES, percent
from services.media.domain.outcomes import Fault, not_a_video
from services.media.fakes import A_SOURCE, FakeProber, FakeTranscoder, RecordedSignals
from services.media.ports import Begin, Outputs, Report, Task
from services.media.repository import JOBS, Repository
from services.media.usecases import outputs, runs
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out

TRANSIENT = Fault("STORAGE_ERROR", "The storage of videos did not answer.", transient=True)
PERMANENT = Fault("TRANSCODER_ERROR", "The video could not be converted.", transient=False)


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.media.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, Repository, lambda: None)


async def work_off(pool: Pool, tools: Tools) -> None:
    """Do what a worker does until nothing is left, without waiting for backoffs."""
    while found := await runs.claim_run(tools.begin, "tester", LEASE_SECONDS, new_id):
        await carry_out(pool, JOBS, LEASE_SECONDS, partial(transcode, tools), partial(tidy_up, tools), found[0])
        await let_leases_end(pool)


class Blocked:
    """A transcoder that stores something and then waits for ever."""

    def __init__(self, stored: dict[str, bytes]) -> None:
        self.stored = stored
        self.reached = asyncio.Event()

    async def transcode(self, task: Task, report: Report) -> Outputs:
        async with task.turn:
            self.stored[f"{task.output_s3_prefix}thumbnail.jpg"] = b"half done"
            self.reached.set()
            await asyncio.Event().wait()
        raise AssertionError("unreachable")


# Coming


async def test_an_upload_makes_one_job_however_often_it_is_told(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded(), clip.uploaded(), clip.retried(generation=1))
    assert await pool.fetchval("SELECT count(*) FROM transcode_jobs") == 1
    assert (await job_of(pool, clip))["status"] == "QUEUED"


async def test_a_newer_generation_calls_the_older_job_off(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded(1), clip.uploaded(2))
    assert [(await job_of(pool, clip, generation))["status"] for generation in (1, 2)] == ["CANCELLED", "QUEUED"]


async def test_an_older_generation_that_comes_late_makes_no_job(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded(2), clip.uploaded(1))
    assert await pool.fetchval("SELECT array_agg(generation) FROM transcode_jobs") == [2]


async def test_a_deleted_video_gets_no_job(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.deleted(), clip.uploaded(), clip.retried(2))
    assert await pool.fetchval("SELECT count(*) FROM transcode_jobs") == 0


async def test_an_upload_and_a_deletion_at_the_same_moment_leave_no_work(pool: Pool, begin: Begin) -> None:
    clips = [Clip() for _ in range(20)]
    await asyncio.gather(
        *(apply(begin, event) for clip in clips for event in random.sample([clip.uploaded(), clip.deleted()], 2))
    )
    assert await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id) == []


# Order


async def test_paid_goes_before_verified_before_free(pool: Pool, begin: Begin) -> None:
    clips = {tier: Clip(tier=tier) for tier in ("free", "verified", "paid")}
    await apply(begin, *(clip.uploaded() for clip in clips.values()))
    assert [(await claim(begin)).job.tier for _ in clips] == ["paid", "verified", "free"]


async def test_a_free_job_that_waited_long_enough_goes_before_a_new_paid_one(pool: Pool, begin: Begin) -> None:
    waiting, new = Clip(tier="free"), Clip(tier="paid")
    await apply(begin, waiting.uploaded())
    await pool.execute("UPDATE transcode_jobs SET queue_rank = queue_rank - interval '11 minutes'")
    await apply(begin, new.uploaded())
    assert (await claim(begin)).job.video_id == waiting.video_id


# Ends


async def test_a_run_that_succeeds_is_told_once_with_its_outputs(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    started, completed = await told(pool, clip)
    job = await job_of(pool, clip)
    assert (started.DESCRIPTOR.name, completed.DESCRIPTOR.name) == ("TranscodeStarted", "TranscodeCompleted")
    assert (started.attempt, started.probe.width, started.probe.fps) == (1, 1920, 30.0)
    assert (job["status"], job["output_s3_prefix"]) == ("COMPLETED", completed.output_s3_prefix)
    assert completed.output_s3_prefix == f"{clip.outputs}{completed.run_id}/"
    assert {asset.s3_key for asset in completed.assets} < set(stored(tools))
    assert {asset.s3_bucket for asset in completed.assets} == {"nextplay"}


async def test_progress_is_told_with_the_stage(pool: Pool, begin: Begin) -> None:
    clip, signals = Clip(), RecordedSignals()
    tools = fake_tools(begin, clip, send_signal=signals)
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    first = signals.sent[0]
    assert isinstance(first, TranscodeProgressed)
    run_id = (await told(pool, clip))[-1].run_id
    assert (first.video_id, first.generation, first.run_id) == (str(clip.video_id), 1, run_id)
    assert (first.stage, first.percent) == ("store", percent("store", 0.5))


async def test_an_unacceptable_original_is_rejected_at_once(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    tools = replace(tools, prober=FakeProber(tools.objects, replace(A_SOURCE, duration_ms=30_034)))
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    (rejected,) = await told(pool, clip)
    job = await job_of(pool, clip)
    assert (rejected.code, rejected.measured, rejected.limit) == ("DURATION_TOO_LONG", "30034 ms", "30000 ms")
    assert rejected.probe.duration_ms == 30_034
    assert (job["status"], job["error_code"], job["retry_count"]) == ("REJECTED", "DURATION_TOO_LONG", 0)


async def test_an_unacceptable_original_is_not_fetched(pool: Pool, begin: Begin) -> None:
    fetched: list[Task] = []

    class Fetching:
        async def transcode(self, task: Task, report: Report) -> Outputs:
            fetched.append(task)
            raise PERMANENT

    clip = Clip()
    tools = fake_tools(begin, clip, transcoder=Fetching())
    tools = replace(tools, prober=FakeProber(tools.objects, replace(A_SOURCE, video_codec="vp9")))
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    assert await names_of_told(pool, clip) == ["VideoRejected"]
    assert fetched == []


async def test_damage_that_shows_while_decoding_rejects_and_leaves_no_object(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    tools = replace(tools, transcoder=FakeTranscoder(tools.objects, not_a_video()))
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "VideoRejected"]
    assert list(stored(tools)) == [clip.key]


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_failure_tells_whether_the_original_is_gone(pool: Pool, begin: Begin, is_stored: bool) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    if is_stored:
        fault = Fault("STORAGE_ERROR", "It can't be stored.", transient=False)
        tools = replace(tools, transcoder=FakeTranscoder(tools.objects, fault))
    else:
        await tools.objects.delete_prefix(clip.key)
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    *_, failed = await told(pool, clip)
    assert (failed.DESCRIPTOR.name, failed.code, failed.original_gone) == (
        "TranscodeFailed",
        "STORAGE_ERROR",
        not is_stored,
    )


async def test_a_transient_fault_is_tried_four_times_in_all(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    tools = replace(tools, prober=FakeProber(tools.objects, TRANSIENT))
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    *retries, failed = await told(pool, clip)
    job = await job_of(pool, clip)
    assert [(retry.code, retry.attempt) for retry in retries] == [("STORAGE_ERROR", n) for n in (1, 2, 3)]
    assert (failed.DESCRIPTOR.name, failed.code, failed.attempts) == ("TranscodeFailed", "STORAGE_ERROR", 4)
    assert (job["status"], job["retry_count"], job["error_message"]) == ("FAILED", 3, str(TRANSIENT))


async def test_a_job_is_due_while_nobody_holds_it_and_its_time_has_come(pool: Pool, begin: Begin) -> None:
    due = [await reads.is_job_due(pool)]
    await apply(begin, Clip().uploaded())
    due.append(await reads.is_job_due(pool))
    run = await claim(begin)
    due.append(await reads.is_job_due(pool))
    await runs.fail_run(begin, run, TRANSIENT, lambda: 0.5)
    due.append(await reads.is_job_due(pool))
    await let_leases_end(pool)
    due.append(await reads.is_job_due(pool))
    assert due == [False, True, False, False, True]


async def test_the_next_try_waits_for_its_backoff(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    await runs.fail_run(begin, run, TRANSIENT, lambda: 0.5)
    (retry,) = await told(pool, clip)
    job = await job_of(pool, clip)
    assert await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id) == []
    assert (job["status"], retry.next_at.ToDatetime(tzinfo=job["next_at"].tzinfo)) == ("QUEUED", job["next_at"])


async def test_retries_are_brought_forward_when_their_cause_is_mended(pool: Pool, begin: Begin) -> None:
    failed, new = Clip(), Clip()
    await apply(begin, failed.uploaded())
    await runs.fail_run(begin, await claim(begin), TRANSIENT, lambda: 0.5)
    await apply(begin, new.uploaded())
    assert await maintenance.retry_failed_jobs(begin) == {"jobs": 1}
    assert (await claim(begin)).attempt == 2
    assert await maintenance.retry_failed_jobs(begin) == {"jobs": 0}


async def test_a_permanent_fault_is_not_tried_again(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    tools = replace(tools, transcoder=FakeTranscoder(tools.objects, PERMANENT))
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeFailed"]
    assert list(stored(tools)) == [clip.key]


async def test_a_disk_that_is_full_anywhere_in_a_run_is_named(pool: Pool, begin: Begin) -> None:
    class Full:
        async def transcode(self, task: Task, report: Report) -> Outputs:
            async with task.turn:
                raise OSError(errno.ENOSPC, "No space left on device")

    clip = Clip()
    tools = fake_tools(begin, clip, transcoder=Full())
    await apply(begin, clip.uploaded())
    await transcode(tools, await claim(begin))
    assert [event.code for event in (await told(pool, clip))[1:]] == ["DISK_FULL"]


async def test_a_mistake_of_ours_uses_an_attempt_up(pool: Pool, begin: Begin) -> None:
    class Broken:
        async def probe(self, key: str, size_bytes: int) -> None:
            raise ZeroDivisionError

    clip = Clip()
    tools = fake_tools(begin, clip, prober=Broken())
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    assert await names_of_told(pool, clip) == [*["TranscodeRetryScheduled"] * 3, "TranscodeFailed"]


async def test_the_answer_about_a_job_is_its_latest_event(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)

    async def answer() -> str:
        state = mapping.job_state(await reads.find_last_fact(pool, clip.video_id, 1))
        return state.fact.TypeName() if state.exists else "no job"

    answers = [await answer()]
    await apply(begin, clip.uploaded())
    answers.append(await answer())
    run = await claim(begin)
    await runs.start_run(begin, run, A_SOURCE)
    answers.append(await answer())
    await runs.leave_run(begin, run)
    await work_off(pool, tools)
    answers.append(await answer())
    assert answers == ["no job", "", "nextplay.media.v1.TranscodeStarted", "nextplay.media.v1.TranscodeCompleted"]
    state = mapping.job_state(await reads.find_last_fact(pool, clip.video_id, 1))
    assert state.fact.value == (await told(pool, clip))[-1].SerializeToString()


# Workers that stop, die or sleep


async def test_a_worker_that_stops_gives_its_job_back_unused(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    blocked = Blocked(stored(tools))
    tools = replace(tools, transcoder=blocked)
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    working = asyncio.create_task(
        carry_out(pool, JOBS, LEASE_SECONDS, partial(transcode, tools), partial(tidy_up, tools), run)
    )
    await asyncio.wait_for(blocked.reached.wait(), 30)
    working.cancel()
    await asyncio.wait([working])
    job = await job_of(pool, clip)
    assert (job["status"], job["attempts"], job["lease_owner"]) == ("QUEUED", 0, None)
    assert list(stored(tools)) == [clip.key]
    assert (await claim(begin)).attempt == 1


async def test_a_worker_that_lost_its_lease_can_announce_nothing(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded())
    sleeper = await claim(begin)
    await let_leases_end(pool)
    winner = await claim(begin)
    assert (sleeper.attempt, winner.attempt) == (1, 1)
    made = await tools.transcoder.transcode(
        Task(sleeper.run_id, clip.key, sleeper.output_s3_prefix, A_SOURCE), lambda stage, fraction: None
    )
    for end in (
        runs.start_run(begin, sleeper, A_SOURCE),
        runs.complete_run(begin, sleeper, A_SOURCE, made, "nextplay", 1),
        runs.reject_run(begin, sleeper, not_a_video()),
        runs.fail_run(begin, sleeper, TRANSIENT, random.random),
    ):
        with pytest.raises(LeaseLost):
            await end
    await transcode(tools, winner)
    await tidy_up(tools, sleeper)
    await tidy_up(tools, winner)
    assert await names_of_told(pool, clip) == ["TranscodeRetryScheduled", "TranscodeStarted", "TranscodeCompleted"]
    left = [key for key in stored(tools) if key.startswith(clip.outputs)]
    assert left
    assert all(key.startswith(winner.output_s3_prefix) for key in left)


async def test_a_clip_that_takes_every_worker_with_it_fails_in_the_end(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    await apply(begin, clip.uploaded())
    for _ in range(MAX_LOSSES + 1):
        await claim(begin)
        await let_leases_end(pool)
    assert await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id) == []
    *retries, failed = await told(pool, clip)
    assert [(retry.code, retry.attempt) for retry in retries] == [("WORKER_LOST", 1)] * MAX_LOSSES
    assert (failed.code, failed.attempts) == ("TRANSCODER_ERROR", MAX_LOSSES + 1)
    assert (await job_of(pool, clip))["status"] == "FAILED"


async def test_a_worker_that_dies_uses_up_none_of_the_four_attempts(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    tools = replace(tools, prober=FakeProber(tools.objects, TRANSIENT))
    await apply(begin, clip.uploaded())
    for _ in range(3):
        await claim(begin)
        await let_leases_end(pool)
    await work_off(pool, tools)
    *retries, failed = await told(pool, clip)
    assert [(retry.code, retry.attempt) for retry in retries[3:]] == [("STORAGE_ERROR", n) for n in (1, 2, 3)]
    assert (failed.attempts, (await job_of(pool, clip))["retry_count"]) == (4, 3)


# Deletion, and new generations


async def test_a_new_generation_stops_the_run_of_the_old_one_and_wins(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    blocked = Blocked(stored(tools))
    await apply(begin, clip.uploaded(1))
    old = await claim(begin)
    working = asyncio.create_task(
        carry_out(
            pool,
            JOBS,
            0.6,
            partial(transcode, replace(tools, transcoder=blocked)),
            partial(tidy_up, tools),
            old,
        )
    )
    await asyncio.wait_for(blocked.reached.wait(), 30)
    await apply(begin, clip.retried(2))
    await asyncio.wait_for(working, 30)
    await work_off(pool, tools)
    started, *others, completed = await told(pool, clip)
    assert (started.generation, [event.generation for event in others]) == (1, [2])
    assert (completed.DESCRIPTOR.name, completed.generation) == ("TranscodeCompleted", 2)
    assert (await job_of(pool, clip, 1))["status"] == "CANCELLED"
    kept = [key for key in stored(tools) if key.startswith(clip.outputs)]
    assert all(key.startswith(completed.output_s3_prefix) for key in kept)


async def test_an_old_run_that_sleeps_through_a_new_generation_can_neither_announce_nor_overwrite(
    pool: Pool, begin: Begin
) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded(1))
    sleeper = await claim(begin)
    await apply(begin, clip.retried(2))
    await work_off(pool, tools)
    before = dict(stored(tools))
    with pytest.raises(LeaseLost):
        await transcode(tools, sleeper)
    await tidy_up(tools, sleeper)
    assert stored(tools) == before
    assert {event.generation for event in await told(pool, clip)} == {2}


async def test_deleting_a_video_stops_its_running_transcode(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    blocked = Blocked(stored(tools))
    tools = replace(tools, transcoder=blocked)
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    working = asyncio.create_task(carry_out(pool, JOBS, 0.6, partial(transcode, tools), partial(tidy_up, tools), run))
    await asyncio.wait_for(blocked.reached.wait(), 30)
    await apply(begin, clip.deleted())
    await asyncio.wait_for(working, 30)
    assert (await job_of(pool, clip))["status"] == "CANCELLED"
    assert await names_of_told(pool, clip) == ["TranscodeStarted"]
    assert list(stored(tools)) == [clip.key]


async def test_the_outputs_of_a_deleted_video_are_purged_and_once_more_later(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded())
    await work_off(pool, tools)
    await apply(begin, clip.deleted(), clip.deleted())
    (purge,) = await outputs.claim_purges(begin, "tester")
    await outputs.purge(begin, tools.objects, purge)
    assert list(stored(tools)) == [clip.key]
    assert await outputs.claim_purges(begin, "tester") == []

    stored(tools)[f"{clip.outputs}late/thumbnail.jpg"] = b"by a worker that did not know yet"
    await pool.execute("UPDATE deleted_videos SET next_at = now()")
    (again,) = await outputs.claim_purges(begin, "tester")
    await outputs.purge(begin, tools.objects, again)
    await pool.execute("UPDATE deleted_videos SET next_at = now()")
    assert list(stored(tools)) == [clip.key]
    assert await outputs.claim_purges(begin, "tester") == []


# The sweep


async def test_the_sweep_removes_what_lost_runs_left_and_nothing_else(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded())
    lost = await claim(begin)
    stored(tools)[f"{lost.output_s3_prefix}thumbnail.jpg"] = b"left behind"
    await let_leases_end(pool)
    await work_off(pool, tools)
    kept = {key for key in stored(tools) if not key.startswith(lost.output_s3_prefix)}
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=3600) == 0
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=0) == 1
    assert set(stored(tools)) == kept
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=0) == 0


async def test_a_run_that_cannot_be_swept_holds_up_no_other_and_fails_the_job(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = Clip(), Clip()
    tools = fake_tools(begin, bad)
    lost = []
    for clip in (bad, good):
        await apply(begin, clip.uploaded())
        lost.append(await claim(begin))
        stored(tools)[f"{lost[-1].output_s3_prefix}thumbnail.jpg"] = b"left behind"
    await pool.execute("UPDATE transcode_jobs SET status = 'CANCELLED', completed_at = now(), lease_owner = NULL")
    await pool.execute("UPDATE transcode_runs SET outcome = 'LOST', ended_at = now() - interval '2 hours'")

    delete_prefix = tools.objects.delete_prefix

    async def delete_or_break(prefix: str) -> int:
        if prefix == lost[0].output_s3_prefix:
            raise ValueError("nobody expected this")
        return await delete_prefix(prefix)

    monkeypatch.setattr(tools.objects, "delete_prefix", delete_or_break)
    with pytest.raises(ExceptionGroup, match="1 runs could not be swept"):
        await outputs.sweep(begin, tools.objects, ended_seconds_ago=3600)
    monkeypatch.undo()
    assert f"{lost[0].output_s3_prefix}thumbnail.jpg" in stored(tools)
    assert f"{lost[1].output_s3_prefix}thumbnail.jpg" not in stored(tools)
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=3600) == 0, "it was not put behind the others"
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=0) == 1


async def test_the_sweep_leaves_a_run_that_is_under_way_alone(pool: Pool, begin: Begin) -> None:
    clip = Clip()
    tools = fake_tools(begin, clip)
    await apply(begin, clip.uploaded())
    run = await claim(begin)
    stored(tools)[f"{run.output_s3_prefix}thumbnail.jpg"] = b"being made"
    assert await outputs.sweep(begin, tools.objects, ended_seconds_ago=0) == 0
    assert f"{run.output_s3_prefix}thumbnail.jpg" in stored(tools)


async def test_the_queue_is_told_by_tier(pool: Pool, begin: Begin) -> None:
    await apply(begin, *(Clip(tier=tier).uploaded() for tier in ("free", "free", "paid")))
    await claim(begin)
    state = await reads.queue_state(pool)
    assert (state.waiting, state.completed_in_a_minute) == ({"free": 2}, 0)
