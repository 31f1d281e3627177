"""Whatever one event is lost, the video ends nevertheless: the job asks who knows."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from catalog_videos import Catalog, Clip
from google.protobuf.message import Message

from chassis.clock import new_id, utc_now
from nextplay.catalog.v1.catalog_events_pb2 import VideoRetryRequested
from services.catalog.domain.video import Status
from services.catalog.fakes.peers import FakePeer
from services.catalog.usecases.facts import fact_from, record
from services.catalog.usecases.unsticking import Patience, unstick_videos

NO_PATIENCE = Patience(timedelta(0), timedelta(0), timedelta(0))
PATIENCE = Patience(timedelta(minutes=70), timedelta(minutes=2))
Tell = Callable[[Clip], Message]


async def unstick(
    catalog: Catalog, upload: FakePeer, media: FakePeer, patience: Patience = NO_PATIENCE
) -> Mapping[str, int]:
    return await unstick_videos(catalog.begin, upload, media, patience, utc_now)


def told(peer: FakePeer, clip: Clip, event: Message, generation: int = 1) -> None:
    peer.knows(clip.video_id, generation, event, datetime.now(UTC))


@pytest.mark.parametrize(
    ("ending", "status"),
    [
        ([Clip.transcoding, Clip.transcoded], Status.READY),
        ([Clip.transcoding, Clip.failed], Status.PROCESSING_FAILED),
        ([Clip.rejected], Status.REJECTED_TOO_LONG),
    ],
    ids=["completed", "failed", "rejected"],
)
@pytest.mark.parametrize("lost", range(4))
async def test_with_any_one_event_lost_the_video_ends_all_the_same(
    catalog: Catalog, ending: list[Tell], status: Status, lost: int
) -> None:
    clip, upload, media = Clip(), FakePeer(), FakePeer()
    await catalog.claim(clip)
    history: list[Tell] = [Clip.started, Clip.completed, *ending]
    for number, tell in enumerate(history):
        if number != lost:
            await catalog.hear(tell(clip))
    told(upload, clip, clip.completed())
    told(media, clip, ending[-1](clip))
    await unstick(catalog, upload, media)
    assert (await catalog.video(clip)).status is status
    sequences = [sequence for _, sequence in await catalog.statuses(clip)]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_runs_at_once_end_a_stuck_video_once(catalog: Catalog) -> None:
    clip, upload, media = Clip(), FakePeer(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.started(), clip.completed())
    told(media, clip, clip.transcoded())
    await asyncio.gather(*(unstick(catalog, upload, media) for _ in range(3)))
    assert [sequence for _, sequence in await catalog.statuses(clip)] == [1, 2, 3, 4, 5], "as one run does it"
    assert (await catalog.video(clip)).status is Status.READY
    assert (await catalog.names_told(clip)).count("ProcessingStarted") == 1


@pytest.mark.parametrize("end", [Clip.aborted, Clip.expired], ids=["aborted", "expired"])
async def test_a_lost_end_of_an_upload_is_found(catalog: Catalog, end: Tell) -> None:
    clip, upload = Clip(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.started())
    told(upload, clip, end(clip))
    assert await unstick(catalog, upload, FakePeer()) == {"moved": 1}
    assert (await catalog.video(clip)).status is Status.DRAFT


async def test_an_upload_that_nobody_knows_falls_back_to_draft(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.started())
    await unstick(catalog, FakePeer(), FakePeer())
    video = await catalog.video(clip)
    assert video.reason
    assert (video.status, video.reason.code) == (Status.DRAFT, "MULTIPART_LOST")


async def test_a_job_that_media_never_heard_of_is_requested_for_the_same_generation(catalog: Catalog) -> None:
    clip, upload, media = Clip(), FakePeer(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.started(), clip.completed())
    assert await unstick(catalog, upload, media) == {"job requested": 1}
    request = (await catalog.told(clip))[-1]
    assert isinstance(request, VideoRetryRequested)
    assert (request.generation, request.upload_id, request.input_s3_key) == (
        1,
        str(clip.upload_id),
        clip.completed().input_s3_key,
    )
    assert upload.asked == []
    assert (await catalog.video(clip)).status is Status.UPLOADED


async def test_the_lost_request_of_a_retry_is_repeated_though_upload_knows_nothing_of_it(catalog: Catalog) -> None:
    clip, upload, media = Clip(), FakePeer(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    await catalog.retry(clip)
    told(media, clip, clip.failed(), generation=1)
    await unstick(catalog, upload, media)
    requests = [event for event in await catalog.told(clip) if isinstance(event, VideoRetryRequested)]
    assert [request.generation for request in requests] == [2, 2]


async def test_an_original_that_is_not_known_is_learned_from_upload_before_the_job_is_requested(
    catalog: Catalog,
) -> None:
    clip, upload, media = Clip(), FakePeer(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.retrying())
    told(upload, clip, clip.completed())
    assert await unstick(catalog, upload, media) == {"job requested": 1}
    assert (await catalog.video(clip)).original


async def test_a_job_that_waits_is_left_alone_and_not_noted(catalog: Catalog) -> None:
    clip, media = Clip(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.transcoding())
    before = await catalog.timeline(clip)
    media.knows(clip.video_id, 1)
    assert await unstick(catalog, FakePeer(), media) == {"waiting": 1}
    told(media, clip, clip.transcoding())
    assert await unstick(catalog, FakePeer(), media) == {"waiting": 1}
    assert await catalog.timeline(clip) == before


async def test_a_peer_that_is_away_is_asked_again_by_the_next_run(catalog: Catalog) -> None:
    clip, media = Clip(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.completed())
    media.away = True
    assert await unstick(catalog, FakePeer(), media) == {"unanswered": 1}
    media.away = False
    told(media, clip, clip.transcoded())
    assert await unstick(catalog, FakePeer(), media) == {"moved": 1}


async def test_a_run_ends_early_while_a_peer_is_away(catalog: Catalog) -> None:
    media = FakePeer()
    media.away = True
    for clip in (Clip() for _ in range(5)):
        await catalog.claim(clip)
        await catalog.hear(clip.completed())
    assert await unstick(catalog, FakePeer(), media) == {"unanswered": 3}
    assert len(media.asked) == 3


async def test_only_what_was_quiet_for_long_enough_is_asked_after(catalog: Catalog) -> None:
    uploading, uploaded, ready, draft = clips = [Clip() for _ in range(4)]
    for clip in clips:
        await catalog.claim(clip)
    await catalog.hear(uploading.started(), uploaded.completed(), ready.completed(), ready.transcoded())
    upload, media = FakePeer(), FakePeer()
    media.knows(uploaded.video_id, 1)
    told(upload, uploading, uploading.started())
    assert await unstick(catalog, upload, media, PATIENCE) == {}

    async def wait(minutes: int) -> None:
        await catalog.pool.execute(
            "UPDATE videos SET heard_at = heard_at - make_interval(mins => $1), "
            "changed_at = changed_at - make_interval(mins => $1)",
            minutes,
        )

    await wait(3)
    await unstick(catalog, upload, media, PATIENCE)
    assert (upload.asked, media.asked) == ([(draft.video_id, 1)], [(uploaded.video_id, 1)])
    assert (await catalog.video(draft)).upload_id is None
    await unstick(catalog, upload, media, PATIENCE)
    assert len(media.asked) == 1
    await wait(68)
    await unstick(catalog, upload, media, PATIENCE)
    assert upload.asked[1:] == [(uploading.video_id, 1)]
    assert (await catalog.video(draft)).status is Status.DRAFT


async def test_a_claim_whose_upload_never_started_gives_the_video_back_and_the_failed_one_can_be_retried(
    catalog: Catalog,
) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    await catalog.claim(clip, upload_id=new_id(), must_exist=True)
    assert await unstick(catalog, FakePeer(), FakePeer()) == {"moved": 1}
    video = await catalog.video(clip)
    assert video.reason
    assert (video.status, video.upload_id, video.reason.code) == (Status.DRAFT, None, "UPLOAD_NOT_STARTED")
    retried = await catalog.retry(clip)
    assert (retried.status, retried.generation) == (Status.UPLOADED, 3)
    [request] = [event for event in await catalog.told(clip) if isinstance(event, VideoRetryRequested)]
    assert (request.upload_id, request.input_s3_key) == (str(clip.upload_id), clip.completed().input_s3_key)


async def test_a_claim_that_was_made_again_while_upload_was_asked_stays(catalog: Catalog) -> None:
    clip, upload = Clip(), FakePeer()
    await catalog.claim(clip)

    async def ask_and_be_late(video_id: object, generation: int) -> object:
        await catalog.claim(clip)
        return await upload(clip.video_id, generation)

    counts = await unstick_videos(catalog.begin, ask_and_be_late, FakePeer(), NO_PATIENCE, utc_now)  # type: ignore[arg-type]
    assert counts == {"moved on": 1}
    assert (await catalog.video(clip)).upload_id == clip.upload_id


async def test_a_video_that_cannot_be_asked_after_holds_up_no_other_and_fails_the_job(catalog: Catalog) -> None:
    bad, good, media = Clip(), Clip(), FakePeer()
    for clip in (bad, good):
        await catalog.claim(clip)
        await catalog.hear(clip.completed())
    told(media, good, good.transcoded())

    async def ask(video_id: object, generation: int) -> object:
        if video_id == bad.video_id:
            raise ValueError("nobody expected this")
        return await media(good.video_id, generation)

    with pytest.raises(ExceptionGroup, match="1 of 2 quiet videos"):
        await unstick_videos(catalog.begin, FakePeer(), ask, NO_PATIENCE, utc_now)  # type: ignore[arg-type]
    assert (await catalog.video(good)).status is Status.READY
    before = (await catalog.video(bad)).heard_at
    assert before > (await catalog.video(good)).created_at


async def test_what_was_not_answered_goes_behind_what_was_not_asked_after(catalog: Catalog) -> None:
    media, clips = FakePeer(), [Clip() for _ in range(6)]
    media.away = True
    for clip in clips:
        await catalog.claim(clip)
        await catalog.hear(clip.completed())
    for _ in range(2):
        await unstick(catalog, FakePeer(), media)
    assert [video_id for video_id, _ in media.asked] == [clip.video_id for clip in clips]


async def test_what_was_heard_is_dated_by_postgresql_whatever_the_clock_of_the_process_says(catalog: Catalog) -> None:
    clip = Clip()
    fast = utc_now() + timedelta(hours=3)
    await catalog.claim(clip)
    async with catalog.begin() as tx:
        await record(tx, clip.video_id, fact_from(clip.completed(), fast), fast)
    assert (await catalog.video(clip)).heard_at < utc_now() + timedelta(hours=1)


async def test_an_answer_about_a_video_that_moved_on_meanwhile_changes_nothing(catalog: Catalog) -> None:
    clip, media = Clip(), FakePeer()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.transcoding())

    async def ask_and_be_late(video_id: object, generation: int) -> object:
        await catalog.hear(clip.failed())
        await catalog.claim(clip, upload_id=new_id(), must_exist=True)
        told(media, clip, clip.transcoded())
        return await media(clip.video_id, generation)

    counts = await unstick_videos(catalog.begin, FakePeer(), ask_and_be_late, NO_PATIENCE, utc_now)  # type: ignore[arg-type]
    assert counts == {"moved on": 1}
    assert (await catalog.video(clip)).status is Status.DRAFT
