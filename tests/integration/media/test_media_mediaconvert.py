"""Runs that MediaConvert carries out: facts and objects as FFmpeg's, whatever happens to workers and events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from media_clips import make_clip
from media_jobs import LEASE_SECONDS, Clip, apply, job_of, let_leases_end, names_of_told, told
from pydantic import HttpUrl

from chassis.clock import new_id
from chassis.object_store import ObjectStore
from chassis.postgres import Pool
from services.media import ladder
from services.media.domain.job import MAX_LOSSES, STAGES, Run, RunOutcome
from services.media.domain.outcomes import Fault
from services.media.domain.remote import News, RemoteStatus
from services.media.domain.source import Source
from services.media.fakes import A_SOURCE, FakeTranscoder, RecordedSignals
from services.media.ports import Begin, Outputs, Task
from services.media.probe import SandboxedProber
from services.media.repository import JOBS
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from services.media.transcoders.mediaconvert import MediaConvertTranscoder
from services.media.transcoders.mediaconvert.events import Events, open_events
from services.media.transcoders.mediaconvert.service import MediaConvert, open_mediaconvert
from services.media.transcoders.mediaconvert.template import Account, job_request
from services.media.usecases import outputs, remote, runs
from services.media.usecases.lanes import Lanes
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out
from tests.corpus.clip import FFMPEG
from tests.mediaconvert_stand_in import (
    CREDENTIALS,
    REGION,
    ROLE,
    EventQueue,
    MediaConvertStandIn,
    event_queue,
    sqs_server,
)
from tests.mediaconvert_stand_in import mediaconvert as mediaconvert_stand_in

DEADLINE = 60.0
A_TASK = Task(new_id(), "uploads/a/b/c/original.mp4", "videos/a/b/run/", A_SOURCE)


@pytest.fixture(scope="module")
def sqs() -> Iterator[str]:
    with sqs_server() as url:
        yield url


@pytest.fixture
def queue(sqs: str, monkeypatch: pytest.MonkeyPatch) -> EventQueue:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return event_queue(sqs, visibility_seconds=1, receives=2)


@pytest.fixture
async def aws(object_store: ObjectStore, queue: EventQueue) -> AsyncIterator[MediaConvertStandIn]:
    async with mediaconvert_stand_in(object_store, queue) as standing_in:
        yield standing_in


@pytest.fixture
async def service(aws: MediaConvertStandIn) -> AsyncIterator[MediaConvert]:
    async with open_mediaconvert(REGION, HttpUrl(aws.url)) as opened:
        yield opened


@pytest.fixture
async def events(queue: EventQueue) -> AsyncIterator[Events]:
    async with open_events(queue.url, REGION, HttpUrl(queue.endpoint)) as opened:
        yield opened


@pytest.fixture
async def clip(object_store: ObjectStore, tmp_path: Path) -> AsyncIterator[Clip]:
    """A second with sound, stored as an original; what became of it is deleted afterwards."""
    clip = Clip()
    await object_store.put_file(clip.key, make_clip(tmp_path / "clip.mp4"), content_type="video/mp4")
    yield clip
    await object_store.delete_prefix(clip.key)
    await object_store.delete_prefix(clip.outputs)


@pytest.fixture
def tools(begin: Begin, object_store: ObjectStore, service: MediaConvert, tmp_path: Path) -> Tools:
    transcoder = MediaConvertTranscoder(
        service=service,
        account=Account(object_store.bucket, ROLE),
        begin=begin,
        objects=object_store,
        ffmpeg=FFMPEG,
        workspace=tmp_path,
        memory_bytes=2 * 1024**3,
        patience_seconds=DEADLINE,
        poll_seconds=0.05,
    )
    return Tools(
        begin=begin,
        prober=SandboxedProber(object_store, tmp_path),
        transcoder=transcoder,
        objects=object_store,
        send_signal=RecordedSignals(),
        lanes=Lanes(1),
        bucket=object_store.bucket,
    )


def with_transcoder(tools: Tools, **changes: Any) -> Tools:
    """The same tools, with something of their MediaConvert transcoder changed."""
    assert isinstance(tools.transcoder, MediaConvertTranscoder)
    return replace(tools, transcoder=replace(tools.transcoder, **changes))


@asynccontextmanager
async def listening(events: Events, begin: Begin) -> AsyncIterator[None]:
    task = asyncio.create_task(events.listen(partial(remote.hear, begin)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def take(begin: Begin) -> Run:
    """The run that a worker with MediaConvert goes on with; there must be one."""
    (run,) = await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id, take_up=True)
    return run


def task_of(run: Run, source: Source) -> Task:
    return Task(run.run_id, run.job.input_s3_key, run.output_s3_prefix, source)


async def work_on(pool: Pool, tools: Tools, run: Run, lease_seconds: float = LEASE_SECONDS) -> None:
    async with asyncio.timeout(DEADLINE):
        await carry_out(pool, JOBS, lease_seconds, partial(transcode, tools), partial(tidy_up, tools), run)


async def until(holds: Callable[[], Awaitable[bool]], what: str) -> None:
    try:
        async with asyncio.timeout(DEADLINE):
            while not await holds():  # noqa: ASYNC110 - what is looked at lies in other processes
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {DEADLINE:g} s") from None


async def keys_below(objects: ObjectStore, prefix: str) -> set[str]:
    listed = await objects.client.list_objects_v2(Bucket=objects.bucket, Prefix=prefix)
    return {found["Key"].removeprefix(prefix) for found in listed.get("Contents", [])}


async def test_a_run_leaves_the_same_assets_and_facts_as_with_ffmpeg(
    pool: Pool, begin: Begin, tools: Tools, events: Events, clip: Clip, object_store: ObjectStore, tmp_path: Path
) -> None:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    async with listening(events, begin):
        await work_on(pool, tools, run)
    started, completed = await told(pool, clip)
    assert (started.DESCRIPTOR.name, completed.DESCRIPTOR.name) == ("TranscodeStarted", "TranscodeCompleted")

    by_ffmpeg = f"{clip.outputs}by-ffmpeg/"
    source = await tools.prober.probe(clip.key, run.job.size_bytes)
    ffmpeg = FfmpegTranscoder(FFMPEG, object_store, tmp_path, threads=1, memory_bytes=2 * 1024**3)
    made = await ffmpeg.transcode(Task(new_id(), clip.key, by_ffmpeg, source), lambda stage, fraction: None)
    assert [
        (asset.kind, asset.s3_key.removeprefix(run.output_s3_prefix), asset.content_type, asset.duration_ms)
        for asset in completed.assets
    ] == [
        (asset.kind, asset.s3_key.removeprefix(by_ffmpeg), asset.content_type, asset.duration_ms)
        for asset in made.assets
    ]
    for asset in completed.assets:
        assert asset.kind == "HLS" or (await object_store.head(asset.s3_key)).size_bytes == asset.size_bytes
    # Segments are numbered from 1 by MediaConvert and from 0 by FFmpeg; there is one of each rung.
    assert {key.replace("_00001.ts", "_00000.ts") for key in await keys_below(object_store, run.output_s3_prefix)} == (
        await keys_below(object_store, by_ffmpeg)
    )
    master = await object_store.get_range(f"{run.output_s3_prefix}renditions/hls/master.m3u8", 0, 10_000)
    assert b"FRAME-RATE=30.000" in master
    assert b"master_240p.m3u8" in master or b"master_720p.m3u8" in master


async def test_a_job_whose_events_never_come_is_asked_about(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip
) -> None:
    aws.silent = True
    await apply(begin, clip.uploaded())
    await work_on(pool, with_transcoder(tools, silence_seconds=0.1), await take(begin))
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeCompleted"]


async def test_progress_is_what_the_events_say(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    aws.go_on.clear()
    await apply(begin, clip.uploaded())
    run = await take(begin)
    signals = RecordedSignals()
    async with listening(events, begin), asyncio.TaskGroup() as group:
        group.create_task(work_on(pool, replace(tools, send_signal=signals), run))

        async def is_half_done() -> bool:
            return any(signal.stage == "encode" and 40 < signal.percent < 60 for signal in signals.sent)

        await until(is_half_done, "half of the encode is told")
        aws.go_on.set()
    assert (await job_of(pool, clip))["status"] == "COMPLETED"


async def test_a_truncated_input_is_rejected(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    aws.error = (1076, "Demuxer: end of file hit. Is the file truncated?")
    await apply(begin, clip.uploaded())
    async with listening(events, begin):
        await work_on(pool, tools, await take(begin))
    _, rejected = await told(pool, clip)
    assert (rejected.DESCRIPTOR.name, rejected.code) == ("VideoRejected", "CORRUPT")


async def test_another_error_is_tried_again_by_a_run_of_its_own(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    aws.error = (1999, "Unknown")
    await apply(begin, clip.uploaded())
    async with listening(events, begin):
        first = await take(begin)
        await work_on(pool, tools, first)
        aws.error = None
        await let_leases_end(pool)
        second = await take(begin)
        await work_on(pool, tools, second)
    assert (first.attempt, second.attempt, second.taken_up) == (1, 2, False)
    assert [event.DESCRIPTOR.name for event in await told(pool, clip)] == [
        *("TranscodeStarted", "TranscodeRetryScheduled"),
        *("TranscodeStarted", "TranscodeCompleted"),
    ]
    assert len(aws.jobs) == 2


async def test_a_job_that_takes_too_long_is_given_up_and_cancelled(
    pool: Pool, begin: Begin, tools: Tools, service: MediaConvert, aws: MediaConvertStandIn, clip: Clip
) -> None:
    aws.go_on.clear()
    await apply(begin, clip.uploaded())
    await work_on(pool, with_transcoder(tools, patience_seconds=0.2), await take(begin))
    _, retry = await told(pool, clip)
    assert (retry.DESCRIPTOR.name, retry.code) == ("TranscodeRetryScheduled", "TRANSCODE_TIMEOUT")
    (unwanted,) = await remote.claim_unwanted(begin)
    await remote.cancel(begin, service, unwanted)
    assert aws.only_job.status == "CANCELED"
    assert await remote.claim_unwanted(begin) == []


# Workers that stop or die


async def begun(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip
) -> tuple[Run, asyncio.Task[None]]:
    """A run whose job is in the middle, and the worker that waits for it."""
    aws.go_on.clear()
    await apply(begin, clip.uploaded())
    run = await take(begin)
    working = asyncio.create_task(work_on(pool, tools, run))
    await asyncio.wait_for(aws.reached_middle.wait(), DEADLINE)

    async def is_written_down() -> bool:
        return bool(await pool.fetchval("SELECT remote_id FROM remote_jobs WHERE run_id = $1", run.run_id))

    await until(is_written_down, "the id of the job")
    return run, working


async def test_a_worker_that_stops_leaves_its_run_to_the_next_one(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    working.cancel()
    await asyncio.wait([working])
    job = await job_of(pool, clip)
    assert (job["status"], job["attempts"], job["lease_owner"]) == ("QUEUED", 0, None)

    again = await take(begin)
    assert (again.run_id, again.attempt, again.taken_up) == (run.run_id, 1, True)
    async with listening(events, begin):
        aws.go_on.set()
        await work_on(pool, tools, again)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeCompleted"]
    assert len(aws.jobs) == 1


async def test_a_worker_that_dies_costs_neither_an_attempt_nor_a_second_job(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip, tmp_path: Path
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    await let_leases_end(pool)
    again = await take(begin)
    assert (again.run_id, again.attempt, again.fence) == (run.run_id, 1, run.fence + 1)
    async with listening(events, begin):
        aws.go_on.set()
        await work_on(pool, tools, again)
        # The other one was not dead but asleep. It finds that everything is done, and takes nothing away.
        await asyncio.wait_for(working, DEADLINE)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeCompleted"]
    assert len(aws.jobs) == 1
    assert "preview.mp4" in await keys_below(tools.objects, run.output_s3_prefix)  # type: ignore[arg-type]


async def test_a_worker_that_finds_its_lease_lost_removes_nothing_of_the_run_that_another_took_up(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip, object_store: ObjectStore
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    await let_leases_end(pool)
    again = await take(begin)
    await object_store.put(f"{run.output_s3_prefix}preview.mp4", b"the other's", content_type="video/mp4")
    working.cancel()
    await asyncio.wait([working])
    assert await keys_below(object_store, run.output_s3_prefix) == {"preview.mp4"}
    job = await job_of(pool, clip)
    assert (job["status"], job["fence"], job["lease_owner"]) == ("PROCESSING", again.fence, "tester")


async def test_a_run_that_kills_whoever_takes_it_up_fails_and_is_cancelled(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, service: MediaConvert, clip: Clip
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    for _ in range(MAX_LOSSES):
        await let_leases_end(pool)
        assert (await take(begin)).run_id == run.run_id
    await let_leases_end(pool)
    assert await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id, take_up=True) == []
    job = await job_of(pool, clip)
    assert (job["status"], job["lease_owner"], job["losses"]) == ("FAILED", None, MAX_LOSSES + 1)
    assert await names_of_told(pool, clip) == ["TranscodeStarted", "TranscodeFailed"]
    assert await pool.fetchval("SELECT outcome FROM transcode_runs WHERE run_id = $1", run.run_id) == "FAILED"
    (unwanted,) = await remote.claim_unwanted(begin)
    await remote.cancel(begin, service, unwanted)
    assert aws.only_job.status == "CANCELED"
    working.cancel()
    await asyncio.wait([working])


async def test_workers_that_are_told_to_stop_are_no_losses(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    working.cancel()
    await asyncio.wait([working])
    for _ in range(MAX_LOSSES + 2):
        again = await take(begin)
        assert (again.run_id, again.attempt) == (run.run_id, 1)
        await runs.leave_run(begin, again)
    assert (await job_of(pool, clip))["losses"] == 0


async def test_a_worker_that_dies_when_all_is_stored_costs_no_second_job(
    begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    source = await tools.prober.probe(clip.key, run.job.size_bytes)

    async def carry_out_untold() -> Outputs:
        return await tools.transcoder.transcode(task_of(run, source), lambda stage, fraction: None)

    async with listening(events, begin), asyncio.timeout(DEADLINE):
        first, again = await carry_out_untold(), await carry_out_untold()
    assert again == first
    assert len(aws.jobs) == 1


async def test_the_answer_about_a_job_is_not_needed_where_its_event_came(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, events: Events, clip: Clip
) -> None:
    """The worker died before CreateJob was answered; the event brings the id."""
    run, working = await begun(pool, begin, tools, aws, clip)
    working.cancel()
    await asyncio.wait([working])
    await pool.execute("UPDATE remote_jobs SET remote_id = NULL, submitted_at = now() - interval '5 minutes'")
    async with listening(events, begin):
        aws.go_on.set()

        async def is_known() -> bool:
            return bool(await pool.fetchval("SELECT remote_id FROM remote_jobs WHERE run_id = $1", run.run_id))

        await until(is_known, "the id of the job")
        await work_on(pool, with_transcoder(tools, patience_seconds=3600), await take(begin))
    assert (await job_of(pool, clip))["status"] == "COMPLETED"
    assert len(aws.jobs) == 1


async def test_where_nobody_knows_whether_there_is_a_job_a_new_run_makes_one(
    pool: Pool, begin: Begin, tools: Tools, clip: Clip
) -> None:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    async with begin() as tx:
        await tx.store.hand_on(run.run_id)
    await pool.execute("UPDATE remote_jobs SET submitted_at = now() - interval '5 minutes'")
    await work_on(pool, tools, run)
    await let_leases_end(pool)
    again = await take(begin)
    assert again.run_id != run.run_id
    assert (again.attempt, again.taken_up) == (2, False)


async def test_a_worker_with_ffmpeg_does_a_run_anew_and_the_job_is_wanted_no_more(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    working.cancel()
    await asyncio.wait([working])
    (anew,) = await runs.claim_run(begin, "tester", LEASE_SECONDS, new_id)
    assert anew.run_id != run.run_id
    await work_on(pool, replace(tools, transcoder=FakeTranscoder(tools.objects)), anew)
    assert [run_id for run_id, _ in await remote.claim_unwanted(begin)] == [run.run_id]


# Deletion


async def test_deleting_a_video_cancels_its_job_and_leaves_no_object(
    pool: Pool, begin: Begin, tools: Tools, service: MediaConvert, aws: MediaConvertStandIn, clip: Clip
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    await apply(begin, clip.deleted())
    (unwanted,) = await remote.claim_unwanted(begin)
    await remote.cancel(begin, service, unwanted)
    await asyncio.wait_for(working, DEADLINE)
    assert aws.only_job.status == "CANCELED"
    assert await names_of_told(pool, clip) == ["TranscodeStarted"]
    assert (await job_of(pool, clip))["status"] == "CANCELLED"
    assert await keys_below(tools.objects, run.output_s3_prefix) == set()  # type: ignore[arg-type]


async def test_what_a_cancelled_job_still_stores_is_swept(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip, object_store: ObjectStore
) -> None:
    run, working = await begun(pool, begin, tools, aws, clip)
    working.cancel()
    await asyncio.wait([working])
    await apply(begin, clip.deleted())
    await object_store.put(f"{run.output_s3_prefix}preview.mp4", b"late", content_type="video/mp4")
    assert await outputs.sweep(begin, object_store, ended_seconds_ago=0) == 0, "the run ends only now"
    assert await outputs.sweep(begin, object_store, ended_seconds_ago=0) == 1
    assert await keys_below(object_store, run.output_s3_prefix) == set()


@pytest.mark.parametrize("heard", [None, RemoteStatus.PROGRESSING], ids=["unknown", "under way"])
async def test_while_a_job_may_still_store_something_its_run_is_swept_again(
    pool: Pool, begin: Begin, object_store: ObjectStore, heard: RemoteStatus | None
) -> None:
    """The worker died during CreateJob, say: nobody knows an id to cancel."""
    run = await handed_on(begin, Clip())
    if heard:
        await remote.hear(begin, News(run.run_id, "1-abc", heard))
    async with begin() as tx:
        await tx.store.end_run(run.run_id, RunOutcome.FAILED)
    for _ in range(2):
        await object_store.put(f"{run.output_s3_prefix}late.ts", b"late", content_type="video/mp2t")
        assert await outputs.sweep(begin, object_store, ended_seconds_ago=0) == 1
        assert await keys_below(object_store, run.output_s3_prefix) == set()
        assert await outputs.sweep(begin, object_store, ended_seconds_ago=900) == 0, "not before the delay has passed"
    if heard:
        await remote.hear(begin, News(run.run_id, "1-abc", RemoteStatus.CANCELED))
    else:
        await pool.execute("UPDATE remote_jobs SET submitted_at = now() - interval '25 hours'")
    assert await outputs.sweep(begin, object_store, ended_seconds_ago=0) == 1
    assert await outputs.sweep(begin, object_store, ended_seconds_ago=0) == 0, "that was the last time"


async def test_runs_that_were_never_submitted_do_not_lengthen_the_search_for_unwanted_jobs(
    pool: Pool, begin: Begin
) -> None:
    run = await handed_on(begin, Clip())
    await pool.execute(
        "WITH ended AS ("
        "  INSERT INTO transcode_runs (run_id, job_id, attempt, output_s3_prefix, ended_at, outcome)"
        "  SELECT gen_random_uuid(), $1, 1, '', now(), 'FAILED' FROM generate_series(1, 1000) RETURNING run_id"
        ") INSERT INTO remote_jobs (run_id) SELECT run_id FROM ended",
        run.job.job_id,
    )
    one_page_and_the_meta_page = 2 * 8192
    assert await pool.fetchval("SELECT pg_relation_size('remote_jobs_open')") <= one_page_and_the_meta_page


async def test_cancelling_what_has_ended_or_never_was_is_fine(service: MediaConvert, aws: MediaConvertStandIn) -> None:
    await service.cancel("no-such-job")


# What is heard


async def handed_on(begin: Begin, clip: Clip) -> Run:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    async with begin() as tx:
        await tx.store.hand_on(run.run_id)
    return run


async def after(begin: Begin, run: Run, *heard: tuple[RemoteStatus, int]) -> tuple[str, int]:
    """Status and progress after news in this order."""
    for status, percent in heard:
        await remote.hear(begin, News(run.run_id, f"job-of-{run.run_id}", status, percent))
    async with begin() as tx:
        known = await tx.store.remote_job(run.run_id)
    return known.status, known.percent


async def test_news_may_come_twice_and_in_any_order(begin: Begin) -> None:
    progressing, complete = (RemoteStatus.PROGRESSING, 40), (RemoteStatus.COMPLETE, 0)
    assert await after(begin, await handed_on(begin, Clip()), progressing, complete) == ("COMPLETE", 40)
    assert await after(begin, await handed_on(begin, Clip()), complete, complete, progressing) == ("COMPLETE", 0)
    late = (RemoteStatus.PROGRESSING, 10)
    assert await after(begin, await handed_on(begin, Clip()), progressing, late) == ("PROGRESSING", 40)
    submitted = (RemoteStatus.SUBMITTED, 0)
    assert await after(begin, await handed_on(begin, Clip()), progressing, submitted) == ("PROGRESSING", 40)


async def test_the_first_end_stays(begin: Begin) -> None:
    ends = (RemoteStatus.ERROR, 0), (RemoteStatus.COMPLETE, 0)
    assert (await after(begin, await handed_on(begin, Clip()), *ends))[0] == "ERROR"


async def test_news_of_another_job_or_run_change_nothing(begin: Begin) -> None:
    run = await handed_on(begin, Clip())
    await remote.hear(begin, News(run.run_id, "1-abc", RemoteStatus.PROGRESSING))
    async with begin() as tx:
        assert not await tx.store.record_news(News(run.run_id, "2-def", RemoteStatus.COMPLETE))
        assert not await tx.store.record_news(News(new_id(), "3-ghi", RemoteStatus.COMPLETE))
        assert (await tx.store.remote_job(run.run_id)).status == "PROGRESSING"


async def test_a_message_that_nobody_understands_becomes_a_dead_letter(
    begin: Begin, events: Events, queue: EventQueue
) -> None:
    queue.send("no event")

    async def is_dead() -> bool:
        return await asyncio.to_thread(queue.dead_letters) == ["no event"]

    async with listening(events, begin):
        await until(is_dead, "the dead letter")


async def test_a_message_comes_again_when_it_could_not_be_written_down(
    begin: Begin, events: Events, queue: EventQueue, aws: MediaConvertStandIn, service: MediaConvert
) -> None:
    heard: list[News] = []

    async def record(news: News) -> None:
        heard.append(news)
        if len(heard) == 1:
            raise asyncio.CancelledError  # the process stops while it writes down

    await service.create(job_request(A_TASK, ladder.plan(A_SOURCE), Account("nextplay", ROLE)))
    first = asyncio.create_task(events.listen(record))
    await asyncio.wait([first], timeout=DEADLINE)

    async def is_heard_again() -> bool:
        return len([news for news in heard if news == heard[0]]) == 2

    second = asyncio.create_task(events.listen(record))
    try:
        await until(is_heard_again, "the same news")
    finally:
        second.cancel()
        await asyncio.wait([second])


# Faults


async def test_a_service_that_refuses_or_is_away_is_a_transient_fault(service: MediaConvert) -> None:
    async with open_mediaconvert(REGION, HttpUrl("http://127.0.0.1:1")) as away:
        for asked in (service, away):
            with pytest.raises(Fault) as fault:
                await asked.ask(new_id(), "no-such-job")
            assert (fault.value.code, fault.value.transient) == ("SERVICE_AWAY", True)


async def test_a_request_that_is_wrong_is_a_permanent_fault(service: MediaConvert, aws: MediaConvertStandIn) -> None:
    aws.refuses = True
    with pytest.raises(Fault) as fault:
        await service.create(job_request(A_TASK, ladder.plan(A_SOURCE), Account("nextplay", ROLE)))
    assert (fault.value.code, fault.value.transient) == ("TRANSCODER_ERROR", False)


async def test_without_the_original_no_job_is_paid_for(
    pool: Pool, begin: Begin, tools: Tools, aws: MediaConvertStandIn, clip: Clip, object_store: ObjectStore
) -> None:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    source = await tools.prober.probe(clip.key, run.job.size_bytes)
    await object_store.delete_prefix(clip.key)
    with pytest.raises(Fault) as fault:
        await tools.transcoder.transcode(task_of(run, source), lambda stage, fraction: None)
    assert (fault.value.code, fault.value.transient, fault.value.original_gone) == ("STORAGE_ERROR", False, True)
    assert aws.jobs == {}


async def test_progress_names_the_stages_in_their_order(begin: Begin, tools: Tools, events: Events, clip: Clip) -> None:
    await apply(begin, clip.uploaded())
    run = await take(begin)
    source = await tools.prober.probe(clip.key, run.job.size_bytes)
    stages: list[str] = []
    async with listening(events, begin):
        await tools.transcoder.transcode(task_of(run, source), lambda stage, fraction: stages.append(stage))
    assert list(dict.fromkeys(stages)) == list(STAGES)
