"""Claims: which upload holds which generation of a video."""

import asyncio

import pytest
from catalog_videos import Catalog, Clip

from chassis.clock import new_id
from services.catalog.domain.errors import UploadNotAllowed, VideoNotFound
from services.catalog.domain.video import Status


async def test_a_new_video_is_a_draft_of_the_first_generation(catalog: Catalog) -> None:
    clip = Clip()
    assert await catalog.claim(clip) == 1
    video = await catalog.video(clip)
    assert (video.status, video.sequence, video.upload_id) == (Status.DRAFT, 1, clip.upload_id)
    assert await catalog.statuses(clip) == [("DRAFT", 1)]


async def test_the_same_upload_gets_the_same_generation_again(catalog: Catalog) -> None:
    clip = Clip()
    assert [await catalog.claim(clip) for _ in range(3)] == [1, 1, 1]
    await catalog.hear(clip.started())
    assert await catalog.claim(clip) == 1


async def test_an_upload_that_completes_is_never_void_because_another_claimed_and_died(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    with pytest.raises(UploadNotAllowed, match="another upload"):
        await catalog.claim(clip, upload_id=new_id(), must_exist=True)
    await catalog.hear(clip.started(), clip.completed())
    assert (await catalog.video(clip)).status is Status.UPLOADED


async def test_of_claims_that_race_for_one_video_one_wins(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.aborted())
    uploads = [new_id() for _ in range(8)]
    claims = await asyncio.gather(
        *(catalog.claim(clip, upload_id=each, must_exist=True) for each in uploads), return_exceptions=True
    )
    [winner] = [upload for upload, claim in zip(uploads, claims, strict=True) if claim == 2]
    assert sum(isinstance(claim, UploadNotAllowed) for claim in claims) == 7
    assert (await catalog.video(clip)).upload_id == winner


async def test_an_upload_whose_claim_was_taken_for_left_behind_claims_the_next_generation(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.failed_upload())
    assert await catalog.claim(clip) == 2
    await catalog.hear(clip.started(2))
    assert (await catalog.video(clip)).status is Status.UPLOADING


async def test_one_upload_that_claims_a_new_video_many_times_at_once_makes_one_draft(catalog: Catalog) -> None:
    clip = Clip()
    claims = await asyncio.gather(*(catalog.claim(clip) for _ in range(8)))
    assert set(claims) == {1}
    assert await catalog.statuses(clip) == [("DRAFT", 1)]


async def test_a_video_whose_upload_is_under_way_is_not_given_away(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.started())
    with pytest.raises(UploadNotAllowed, match="UPLOADING"):
        await catalog.claim(clip, upload_id=new_id(), must_exist=True)


async def test_a_rejected_video_takes_another_upload_and_has_nothing_to_give_up(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.rejected())
    assert await catalog.claim(clip, upload_id=new_id(), must_exist=True, title="Trimmed") == 2
    video = await catalog.video(clip)
    assert (video.status, video.title, video.measured, video.original) == (Status.DRAFT, "Trimmed", None, None)


async def test_somebody_elses_unknown_and_deleted_videos_are_not_found(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    thief = Clip(video_id=clip.video_id)
    for must_exist in (True, False):
        with pytest.raises(VideoNotFound):
            await catalog.claim(thief, must_exist=must_exist)
    with pytest.raises(VideoNotFound):
        await catalog.claim(Clip(), must_exist=True)
    await catalog.delete(clip)
    for upload_id in (clip.upload_id, new_id()):
        with pytest.raises(VideoNotFound):
            await catalog.claim(clip, upload_id=upload_id)
