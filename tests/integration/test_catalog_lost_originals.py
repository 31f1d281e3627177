"""Videos whose original is gone before its time."""

import pytest
from catalog_videos import Catalog, Clip

from chassis.clock import new_id, utc_now
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from services.catalog.domain.commands import Action, allowed_actions
from services.catalog.domain.errors import RetryNotAllowed
from services.catalog.domain.video import Status


async def test_a_lost_original_cannot_be_retried_from_but_replaced(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed(), clip.lost(), clip.lost())
    video = await catalog.video(clip)
    assert video.status is Status.PROCESSING_FAILED
    actions = allowed_actions(video, utc_now())
    assert Action.RETRY not in actions
    assert Action.UPLOAD in actions
    with pytest.raises(RetryNotAllowed, match="not stored any more"):
        await catalog.retry(clip)
    assert [entry.event for entry in await catalog.timeline(clip)][-1] == "OriginalLost"


@pytest.mark.parametrize("upload_is_told_late", [False, True])
async def test_a_video_whose_original_media_found_gone_can_only_be_uploaded_again(
    catalog: Catalog, upload_is_told_late: bool
) -> None:
    clip = Clip()
    await catalog.claim(clip)
    told = [clip.completed(), clip.found_gone()]
    await catalog.hear(*(reversed(told) if upload_is_told_late else told))
    video = await catalog.video(clip)
    assert (video.status, video.kept_original) == (Status.PROCESSING_FAILED, None)
    actions = allowed_actions(video, utc_now())
    assert Action.RETRY not in actions
    assert Action.UPLOAD in actions
    with pytest.raises(RetryNotAllowed, match="not stored any more"):
        await catalog.retry(clip)
    *_, failed = [event for event in await catalog.told(clip) if isinstance(event, VideoStatusChanged)]
    assert failed.reason.next_action == "Upload the clip again."
    again = new_id()
    assert await catalog.claim(clip, upload_id=again) == 2
    assert (await catalog.video(clip)).original is None


async def test_an_original_that_is_lost_after_a_retry_is_the_same_original(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    await catalog.retry(clip)
    await catalog.hear(clip.lost(), clip.failed(2))
    with pytest.raises(RetryNotAllowed):
        await catalog.retry(clip)


async def test_a_video_that_waits_for_its_lost_original_fails_with_medias_reason(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.lost())
    assert (await catalog.video(clip)).status is Status.UPLOADED
    await catalog.hear(clip.failed())
    video = await catalog.video(clip)
    assert (video.status, video.reason and video.reason.stage) == (Status.PROCESSING_FAILED, "transcode")


async def test_a_video_that_is_ready_loses_nothing_with_its_original(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    sequence = (await catalog.video(clip)).sequence
    await catalog.hear(clip.lost())
    assert (await catalog.publish(clip)).sequence == sequence + 1


async def test_the_loss_of_an_older_or_unknown_original_changes_nothing(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    before = await catalog.video(clip)
    other = Clip(clip.video_id, clip.user_id, new_id())
    await catalog.hear(other.lost(), Clip().lost())
    assert await catalog.video(clip) == before
