"""Changing, retrying, deleting and archiving videos on the real tables."""

import asyncio
from datetime import timedelta

import pytest
from catalog_videos import Catalog, Clip

from chassis.clock import new_id, utc_now
from chassis.errors import InvalidArgument
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoHidden, VideoRetryRequested
from nextplay.catalog.v1.video_pb2 import Video as VideoMessage
from nextplay.catalog.v1.videos_service_pb2 import UpdateVideoRequest
from services.catalog.characters import count_characters
from services.catalog.domain.commands import Change
from services.catalog.domain.errors import RetryNotAllowed, VideoNotFound, VideoNotReady
from services.catalog.domain.video import Status, Video, Visibility
from services.catalog.domain.wording import Rules
from services.catalog.mapping.videos import change_from
from services.catalog.usecases.archiving import archive_old_videos
from services.catalog.usecases.lifecycle import update_video

RULES = Rules(("sports", "music"), count_characters)


async def update(catalog: Catalog, clip: Clip, change: Change) -> Video:
    async with catalog.begin() as tx:
        return await update_video(tx, clip.video_id, clip.user_id, change, utc_now())


async def test_a_published_video_that_leaves_the_public_is_hidden_once(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.publish(clip)
    await update(catalog, clip, Change(visibility=Visibility.UNLISTED))
    await update(catalog, clip, Change(visibility=Visibility.PRIVATE))
    hidden = [event for event in await catalog.told(clip) if isinstance(event, VideoHidden)]
    assert [event.visibility for event in hidden] == [VideoMessage.unlisted]
    video = await catalog.video(clip)
    assert video.sequence == 6
    assert [(one.sequence, one.generation, one.title) for one in hidden] == [(6, video.generation, video.title)]


async def test_a_video_that_is_not_published_yet_is_not_hidden(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    changed = await update(catalog, clip, Change(title="New", visibility=Visibility.PRIVATE))
    assert (changed.title, changed.visibility) == ("New", Visibility.PRIVATE)
    assert "VideoHidden" not in await catalog.names_told(clip)
    assert (await catalog.timeline(clip))[-1].facts == (("title", "New"), ("visibility", "private"))


async def test_somebody_elses_video_is_not_changed(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    with pytest.raises(VideoNotFound):
        await update(catalog, Clip(video_id=clip.video_id), Change(title="Mine"))
    assert (await catalog.video(clip)).title == "A clip"


@pytest.mark.parametrize(
    ("asked", "violations"),
    [
        ({"title": "x" * 81}, {"title": "must have 1 to 80 characters, has 81 characters"}),
        ({"title": " "}, {"title": "must have 1 to 80 characters, has no visible one"}),
        ({"title": "a\x07"}, {"title": "must not have control characters, has U+0007"}),
        ({"title": "a\u202e"}, {"title": "must not have control characters, has U+202E"}),
        (
            {"description": "x" * 2001, "category": "war"},
            {
                "description": "must have 0 to 2,000 characters, has 2,001 characters",
                "category": "must be one of sports, music, is 'war'",
            },
        ),
    ],
    ids=["long", "blank", "control", "override", "two"],
)
def test_wrong_texts_are_named_with_value_and_limit(asked: dict[str, str], violations: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        change_from(UpdateVideoRequest(**asked), RULES)  # type: ignore[arg-type]
    assert {violation.field: violation.message for violation in refused.value.fields} == violations


def test_a_title_is_counted_as_a_person_counts() -> None:
    family = "👨‍👩‍👧‍👦"
    assert change_from(UpdateVideoRequest(title=family * 80), RULES).title == family * 80
    assert change_from(UpdateVideoRequest(title="  e\u0301  "), RULES).title == "é"


async def test_a_retry_asks_media_for_the_next_generation_of_the_same_original(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.transcoding(), clip.failed())
    retried = await catalog.retry(clip)
    assert (retried.status, retried.generation, retried.sequence) == (Status.UPLOADED, 2, 6)
    asked = (await catalog.told(clip))[-1]
    assert isinstance(asked, VideoRetryRequested)
    assert (asked.generation, asked.upload_id, asked.tier, asked.size_bytes) == (
        2,
        str(clip.upload_id),
        "verified",
        1000,
    )
    assert asked.input_s3_key == clip.completed().input_s3_key
    await catalog.hear(clip.failed(1), clip.transcoding(2), clip.transcoded(2))
    assert (await catalog.video(clip)).status is Status.READY


async def test_of_retries_at_once_one_is_done(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    results = await asyncio.gather(*(catalog.retry(clip) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(result, RetryNotAllowed) for result in results) == 3
    assert (await catalog.names_told(clip)).count("VideoRetryRequested") == 1


async def test_a_deleted_video_is_told_once_and_nothing_brings_it_back(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.publish(clip)
    await asyncio.gather(*(catalog.delete(clip) for _ in range(3)))
    told = await catalog.told(clip)
    video = await catalog.video(clip)
    [deleted] = [event for event in told if isinstance(event, VideoDeleted)]
    assert (deleted.sequence, deleted.generation, deleted.title) == (video.sequence, 1, video.title)
    assert not await catalog.pool.fetch("SELECT FROM video_assets WHERE video_id = $1", clip.video_id)
    await catalog.hear(clip.started(), clip.completed(), clip.transcoding(), clip.transcoded())
    with pytest.raises(VideoNotReady, match="DELETED"):
        await catalog.publish(clip)
    with pytest.raises(VideoNotFound):
        await catalog.claim(clip, upload_id=new_id(), must_exist=True)
    assert await catalog.told(clip) == told
    assert not await catalog.pool.fetch("SELECT FROM video_assets WHERE video_id = $1", clip.video_id)


async def test_somebody_elses_video_is_not_deleted(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    with pytest.raises(VideoNotFound):
        await catalog.delete(Clip(video_id=clip.video_id))
    assert (await catalog.video(clip)).status is Status.DRAFT


async def test_what_was_never_finished_is_archived_after_30_days(catalog: Catalog) -> None:
    draft, rejected, ready, young, about_to_upload, may_be_retried = clips = [Clip() for _ in range(6)]
    for clip in clips:
        await catalog.claim(clip)
    await catalog.hear(about_to_upload.aborted(), may_be_retried.completed(), may_be_retried.failed())
    await catalog.claim(may_be_retried, upload_id=new_id(), must_exist=True)
    await catalog.hear(may_be_retried.aborted(2))
    await catalog.hear(rejected.completed(), rejected.rejected(), ready.completed(), ready.transcoded())
    old = [clip.video_id for clip in clips if clip is not young]
    await catalog.pool.execute(
        "UPDATE videos SET created_at = now() - interval '31 days', heard_at = now() - interval '31 days' "
        "WHERE video_id = ANY($1)",
        old,
    )
    await catalog.claim(about_to_upload, upload_id=new_id(), must_exist=True)
    runs = await asyncio.gather(*(archive_old_videos(catalog.begin, timedelta(days=30), utc_now) for _ in range(2)))
    assert sum(runs) == 2
    statuses = [(await catalog.video(clip)).status for clip in clips]
    assert statuses == [Status.DELETED, Status.DELETED, Status.READY, Status.DRAFT, Status.DRAFT, Status.DRAFT]
    assert (await catalog.names_told(draft)).count("VideoDeleted") == 1
    assert (await catalog.timeline(draft))[-1].event == "ArchiveVideo"
