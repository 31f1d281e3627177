"""Runs that do not end by themselves: of workers that stop or die, of videos that are deleted or uploaded again."""

import asyncio
import random
from dataclasses import replace
from functools import partial

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
    work_off,
)

from chassis.clock import new_id
from chassis.leases import LeaseLost
from chassis.postgres import Pool
from services.media.domain.job import MAX_LOSSES
from services.media.domain.outcomes import Fault, not_a_video
from services.media.fakes import A_SOURCE, FakeProber
from services.media.ports import Begin, Outputs, Report, Task
from services.media.repository import JOBS
from services.media.usecases import outputs, runs
from services.media.usecases.transcode import tidy_up, transcode
from services.media.worker import carry_out

TRANSIENT = Fault("STORAGE_ERROR", "The storage of videos did not answer.", transient=True)
PERMANENT = Fault("TRANSCODER_ERROR", "The video could not be converted.", transient=False)


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
