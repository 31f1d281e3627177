"""Publishing on the real tables: all checks, once, and when ready against every race."""

import asyncio

import pytest
from catalog_videos import Catalog, Clip

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.errors import InvalidArgument
from chassis.idempotency import IdempotencyMismatch
from nextplay.analytics.v1.analytics_events_pb2 import PublishCompleted
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished
from nextplay.catalog.v1.publishing_service_pb2 import PublishVideoRequest, PublishVideoResponse
from nextplay.catalog.v1.video_pb2 import Video
from services.catalog.domain.commands import Publication
from services.catalog.domain.errors import AlreadyPublished, AssetsMissing, VideoNotFound, VideoNotReady
from services.catalog.domain.video import Status, Visibility
from services.catalog.servicer import publishing
from services.catalog.servicer.publishing import Publishing

WHEN_READY = Publication(when_ready=True)
PUBLISHED = [("DRAFT", 1), ("UPLOADING", 2), ("UPLOADED", 3), ("PROCESSING", 4), ("READY", 5), ("PUBLISHED", 6)]


async def test_publishing_tells_followers_and_analysts(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    video = await catalog.publish(clip, Publication(Visibility.UNLISTED, notify_followers=False))
    assert video.status is Status.PUBLISHED
    completed, published = (await catalog.told(clip))[-2:]
    assert isinstance(published, VideoPublished)
    assert (published.visibility, published.notify_followers, published.sequence) == (Video.unlisted, False, 6)
    assert isinstance(completed, PublishCompleted)
    assert (completed.visibility, completed.duration_ms) == ("unlisted", 15_000)
    assert await catalog.statuses(clip) == PUBLISHED


async def test_publishing_twice_emits_one_event_and_gives_the_first_answer(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    first, *others = await asyncio.gather(
        *(catalog.publish(clip), catalog.publish(clip), catalog.publish(clip, Publication(Visibility.PUBLIC)))
    )
    assert {video.published_at for video in (first, *others)} == {first.published_at}
    assert {video.visibility for video in (first, *others)} == {first.visibility}
    assert (await catalog.names_told(clip)).count("VideoPublished") == 1


async def test_of_two_visibilities_at_once_one_is_published_and_the_other_is_told_so(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    asked = (Publication(Visibility.UNLISTED), Publication(Visibility.PRIVATE))
    answers = await asyncio.gather(*(catalog.publish(clip, each) for each in asked), return_exceptions=True)
    (published,) = [answer for answer in answers if not isinstance(answer, BaseException)]
    (refused,) = [answer for answer in answers if isinstance(answer, AlreadyPublished)]
    assert f"PUBLISHED as {published.visibility}" in str(refused)
    assert (await catalog.video(clip)).visibility is published.visibility


async def test_a_wish_to_publish_is_granted_in_the_transaction_that_makes_the_video_ready(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.started())
    waiting = await catalog.publish(clip, WHEN_READY)
    assert (waiting.status, waiting.published_at) == (Status.UPLOADING, None)
    await catalog.hear(clip.completed(), clip.transcoding(), clip.transcoded())
    assert await catalog.statuses(clip) == PUBLISHED
    assert (await catalog.names_told(clip))[-5:] == [
        "VideoStatusChanged",
        "ProcessingCompleted",
        "VideoStatusChanged",
        "PublishCompleted",
        "VideoPublished",
    ]


async def test_a_wish_to_publish_that_races_the_end_of_the_transcode_publishes_once(catalog: Catalog) -> None:
    for _ in range(20):
        clip = Clip()
        await catalog.claim(clip)
        await catalog.hear(clip.completed(), clip.transcoding())
        await asyncio.gather(
            catalog.publish(clip, WHEN_READY), catalog.hear(clip.transcoded()), catalog.publish(clip, WHEN_READY)
        )
        assert await catalog.statuses(clip) == PUBLISHED
        assert (await catalog.names_told(clip)).count("VideoPublished") == 1


async def test_a_wish_to_publish_survives_a_retry_and_is_forgotten_by_another_upload(catalog: Catalog) -> None:
    retried, replaced = Clip(), Clip()
    for clip in (retried, replaced):
        await catalog.claim(clip)
        await catalog.publish(clip, WHEN_READY)
        await catalog.hear(clip.completed(), clip.failed())
    await catalog.retry(retried)
    await catalog.hear(retried.transcoded(2))
    assert (await catalog.video(retried)).status is Status.PUBLISHED
    again = Clip(replaced.video_id, replaced.user_id)
    await catalog.claim(again, must_exist=True)
    await catalog.hear(again.completed(2), again.transcoded(2))
    assert (await catalog.video(replaced)).status is Status.READY


async def test_what_may_not_be_published_is_refused_and_stays_as_it_was(catalog: Catalog) -> None:
    clip, bare = Clip(), Clip()
    await catalog.claim(clip)
    with pytest.raises(VideoNotReady, match="DRAFT"):
        await catalog.publish(clip)
    with pytest.raises(VideoNotFound):
        await catalog.publish(Clip(video_id=clip.video_id))
    await catalog.claim(bare)
    await catalog.hear(bare.completed(), bare.transcoded(kinds=("MP4_720", "HLS")))
    with pytest.raises(AssetsMissing, match="no THUMB"):
        await catalog.publish(bare)
    assert (await catalog.video(bare)).status is Status.READY
    assert "VideoPublished" not in await catalog.names_told(bare)


async def test_a_key_replays_the_first_reply_and_refuses_another_request(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    servicer = Publishing(catalog.pool, catalog.begin, utc_now)
    monkeypatch.setattr(publishing, "idempotency_key", lambda: "the-key")
    request = PublishVideoRequest(video_id=str(clip.video_id), visibility=Video.unlisted)
    with acting_as(User(clip.user_id, "free")):
        first: PublishVideoResponse = await servicer.PublishVideo(request, None)
        await catalog.delete(clip)
        assert await servicer.PublishVideo(request, None) == first
        assert (first.status, first.visibility) == (Video.PUBLISHED, Video.unlisted)
        with pytest.raises(IdempotencyMismatch):
            await servicer.PublishVideo(PublishVideoRequest(video_id=str(clip.video_id)), None)


async def test_a_malformed_id_and_an_unknown_visibility_name_their_field(catalog: Catalog) -> None:
    servicer = Publishing(catalog.pool, catalog.begin, utc_now)
    wrong = {
        "video_id": PublishVideoRequest(video_id="42"),
        "visibility": PublishVideoRequest(video_id=str(Clip().video_id), visibility=9),  # type: ignore[arg-type]
    }
    with acting_as(User(Clip().user_id, "free")):
        for name, request in wrong.items():
            with pytest.raises(InvalidArgument) as refused:
                await servicer.PublishVideo(request, None)
            assert refused.value.fields[0].field == name
