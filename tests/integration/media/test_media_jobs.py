"""Transcode jobs on the real tables: made once, done in turn, ended once, called off for good."""

import asyncio
import errno
import random
from dataclasses import replace

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
from chassis.postgres import Pool
from nextplay.media.v1.media_signals_pb2 import TranscodeProgressed
from services.media import maintenance, mapping, reads
from services.media.domain.job import percent
from services.media.domain.outcomes import Fault, not_a_video
from services.media.fakes import A_SOURCE, FakeProber, FakeTranscoder, RecordedSignals
from services.media.ports import Begin, Outputs, Report, Task
from services.media.usecases import runs
from services.media.usecases.transcode import transcode

TRANSIENT = Fault("STORAGE_ERROR", "The storage of videos did not answer.", transient=True)
PERMANENT = Fault("TRANSCODER_ERROR", "The video could not be converted.", transient=False)


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


# How long it waits


async def test_the_queue_is_told_by_tier(pool: Pool, begin: Begin) -> None:
    await apply(begin, *(Clip(tier=tier).uploaded() for tier in ("free", "free", "paid")))
    await claim(begin)
    state = await reads.queue_state(pool)
    assert (state.waiting, state.completed_in_a_minute) == ({"free": 2}, 0)
