"""What upload and media tell, in any order and any number of times, on the real tables."""

import asyncio
from datetime import UTC, datetime
from itertools import permutations

import pytest
from catalog_videos import HANDLERS, KINDS, Catalog, Clip
from google.protobuf.message import Message

from chassis.clock import new_id, utc_now
from chassis.consumer import NotYet, apply_once
from chassis.errors import InvalidArgument, Unavailable
from chassis.events import EventMeta, describe
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from services.catalog.consumers.facts import upload_handlers
from services.catalog.domain.video import Status
from services.catalog.usecases.ingest import CONSUMER, deliver_event

WAY = [("DRAFT", 1), ("UPLOADING", 2), ("UPLOADED", 3), ("PROCESSING", 4), ("READY", 5)]
UPLOAD_HANDLERS = upload_handlers(utc_now)


async def test_a_clip_travels_the_whole_way_and_every_step_is_told_once(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    assert await catalog.statuses(clip) == WAY
    video = await catalog.video(clip)
    assert video.original
    assert (video.original.tier, video.original.s3_key) == ("verified", clip.completed().input_s3_key)
    assert video.measured
    assert video.measured.duration_ms == 15_000
    rows = await catalog.pool.fetch("SELECT kind, url, s3_key FROM video_assets WHERE video_id = $1", clip.video_id)
    assert {row["kind"] for row in rows} == set(KINDS)
    assert all(row["url"] == f"s3://nextplay/{row['s3_key']}" for row in rows)


async def test_every_event_twice_changes_nothing(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    for event in (clip.started(), clip.completed(), clip.transcoding(), clip.retrying(), clip.transcoded()):
        meta = describe(event)
        for _ in range(2):
            await apply_once(catalog.begin, CONSUMER, meta, event, HANDLERS[type(event)])
        await catalog.hear(event)
    assert await catalog.statuses(clip) == WAY


async def test_copies_of_one_event_that_arrive_at_once_are_applied_once(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    event = clip.completed()
    meta = describe(event)
    handler = HANDLERS[type(event)]
    by_kafka = asyncio.gather(*(apply_once(catalog.begin, CONSUMER, meta, event, handler) for _ in range(4)))
    payload = event.SerializeToString()
    by_hand = asyncio.gather(*(deliver_event(catalog.begin, UPLOAD_HANDLERS, meta, payload) for _ in range(4)))
    assert (await by_kafka).count(True) <= 1
    assert {video.status for video in await by_hand} == {Status.UPLOADED}
    assert await catalog.statuses(clip) == WAY[:3]


@pytest.mark.parametrize("order", sorted(set(permutations("uumm"))), ids="".join)
async def test_medias_events_may_overtake_uploads_in_every_way(catalog: Catalog, order: tuple[str, ...]) -> None:
    clip = Clip()
    await catalog.claim(clip)
    topics: dict[str, list[Message]] = {
        "u": [clip.started(), clip.completed()],
        "m": [clip.transcoding(), clip.transcoded()],
    }
    for topic in order:
        await catalog.hear(topics[topic].pop(0))
    assert await catalog.statuses(clip) == WAY
    video = await catalog.video(clip)
    assert video.original
    assert video.measured


@pytest.mark.parametrize("order", sorted(set(permutations("uum"))), ids="".join)
async def test_a_rejection_may_overtake_everything(catalog: Catalog, order: tuple[str, ...]) -> None:
    clip = Clip()
    await catalog.claim(clip)
    topics: dict[str, list[Message]] = {"u": [clip.started(), clip.completed()], "m": [clip.rejected()]}
    for topic in order:
        await catalog.hear(topics[topic].pop(0))
    assert await catalog.statuses(clip) == [*WAY[:3], ("REJECTED_TOO_LONG", 4)]
    video = await catalog.video(clip)
    assert video.reason
    assert (video.reason.code, video.reason.stage) == ("DURATION_TOO_LONG", "probe")
    assert "42300 ms" in video.reason.message
    changes = [e for e in await catalog.told(clip) if isinstance(e, VideoStatusChanged)]
    assert changes[-1].reason.next_action == "Trim the clip to 30 seconds and upload it again."


async def test_upload_and_media_telling_at_once_leave_no_gap(catalog: Catalog) -> None:
    for _ in range(20):
        clip = Clip()
        await catalog.claim(clip)
        await asyncio.gather(
            catalog.hear(clip.started(), clip.completed()), catalog.hear(clip.transcoding(), clip.transcoded())
        )
        assert await catalog.statuses(clip) == WAY


async def test_an_event_of_an_unknown_video_is_tried_again_later(catalog: Catalog) -> None:
    clip = Clip()
    event = clip.started()
    meta = describe(event)
    with pytest.raises(NotYet):
        await apply_once(catalog.begin, CONSUMER, meta, event, HANDLERS[type(event)])
    await catalog.claim(clip)
    assert await apply_once(catalog.begin, CONSUMER, meta, event, HANDLERS[type(event)])


async def test_an_older_generation_is_told_by_the_timeline_alone(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.aborted())
    await catalog.claim(clip, upload_id=new_id(), must_exist=True)
    before = await catalog.statuses(clip)
    await catalog.hear(clip.started(1), clip.completed(1), clip.transcoding(1), clip.transcoded(1))
    assert await catalog.statuses(clip) == before
    assert not await catalog.pool.fetch("SELECT FROM video_assets WHERE video_id = $1", clip.video_id)
    ignored = [entry.event for entry in await catalog.timeline(clip) if entry.ignored == "older generation"]
    assert ignored == ["UploadStarted", "UploadCompleted", "TranscodeStarted", "TranscodeCompleted"]


async def test_an_aborted_upload_leaves_a_draft_that_says_why(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.started(), clip.aborted())
    video = await catalog.video(clip)
    assert video.reason
    assert (video.status, video.reason.code, video.upload_id) == (Status.DRAFT, "UPLOAD_ABORTED", None)


async def test_the_timeline_tells_causes_before_effects_though_they_arrived_the_other_way_round(
    catalog: Catalog,
) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.transcoding(), clip.started(), clip.completed(), clip.transcoded())
    entries = await catalog.timeline(clip)
    assert [entry.event for entry in entries] == [
        "ClaimVideoForUpload",
        "UploadStarted",
        "UploadCompleted",
        "TranscodeStarted",
        "TranscodeCompleted",
    ]
    started = entries[3]
    assert (started.status, started.sequence, started.attempt) == (Status.PROCESSING, 4, 1)
    assert ("duration_ms", "15000") in started.facts


async def test_delivering_an_event_early_answers_with_the_video_and_kafkas_copy_is_a_repeat(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    event = clip.completed()
    meta = describe(event)
    video = await deliver_event(catalog.begin, UPLOAD_HANDLERS, meta, event.SerializeToString())
    assert (video.status, video.sequence) == (Status.UPLOADED, 3)
    assert not await apply_once(catalog.begin, CONSUMER, meta, event, HANDLERS[type(event)])


async def test_what_is_no_event_of_upload_is_refused_and_leaves_nothing(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    transcoded = clip.transcoded()
    with pytest.raises(InvalidArgument) as refused:
        await deliver_event(catalog.begin, UPLOAD_HANDLERS, describe(transcoded), transcoded.SerializeToString())
    assert refused.value.fields[0].field == "event_type"
    meta = EventMeta(new_id(), clip.started().DESCRIPTOR.full_name, "/nextplay/upload", datetime.now(UTC))
    for payload in (b"\xff\xff", b""):
        with pytest.raises(InvalidArgument) as refused:
            await deliver_event(catalog.begin, UPLOAD_HANDLERS, meta, payload)
        assert refused.value.fields[0].field == "payload"
    with pytest.raises(Unavailable):
        await deliver_event(catalog.begin, UPLOAD_HANDLERS, meta, Clip().started().SerializeToString())
    assert await catalog.statuses(clip) == WAY[:1]


async def test_a_tier_that_a_newer_upload_knows_is_served_as_free_as_media_does(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    completed = clip.completed()
    completed.tier = "platinum"
    await catalog.hear(completed)
    video = await catalog.video(clip)
    assert video.original
    assert (video.status, video.original.tier) == (Status.UPLOADED, "free")
