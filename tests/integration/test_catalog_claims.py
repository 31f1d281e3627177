"""Claims: which upload holds which generation of a video."""

import asyncio

import pytest
from catalog_videos import Catalog, Clip

from chassis.clock import new_id
from services.catalog.domain.errors import UploadNotAllowed, VideoNotFound
from services.catalog.domain.video import Status
from services.catalog.ports.videos import Claim


async def test_a_new_video_is_a_draft_of_the_first_generation(catalog: Catalog) -> None:
    clip = Clip()
    assert await catalog.claim(clip) == Claim(1, None)
    video = await catalog.video(clip)
    assert (video.status, video.sequence, video.upload_id) == (Status.DRAFT, 1, clip.upload_id)
    assert await catalog.statuses(clip) == [("DRAFT", 1)]


async def test_the_same_upload_gets_the_same_generation_again(catalog: Catalog) -> None:
    clip = Clip()
    first = await catalog.claim(clip)
    later = await catalog.claim(clip, upload_id=new_id(), must_exist=True)
    assert await catalog.claim(clip) == first
    assert (await catalog.video(clip)).generation == later.generation == 2


async def test_of_two_uploads_of_a_draft_the_later_one_holds_it_and_learns_of_the_other(catalog: Catalog) -> None:
    clip, later = Clip(), new_id()
    await catalog.claim(clip)
    assert await catalog.claim(clip, upload_id=later, must_exist=True) == Claim(2, clip.upload_id)
    await catalog.hear(clip.started(), clip.completed())
    assert (await catalog.video(clip)).status is Status.DRAFT


async def test_claims_that_race_for_one_video_get_different_generations(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    uploads = [new_id() for _ in range(8)]
    claims = await asyncio.gather(*(catalog.claim(clip, upload_id=each, must_exist=True) for each in uploads))
    assert sorted(claim.generation for claim in claims) == list(range(2, 10))
    assert len({claim.superseded_upload_id for claim in claims}) == 8
    winner = max(zip(claims, uploads, strict=True), key=lambda pair: pair[0].generation)
    assert (await catalog.video(clip)).upload_id == winner[1]


async def test_one_upload_that_claims_a_new_video_many_times_at_once_makes_one_draft(catalog: Catalog) -> None:
    clip = Clip()
    claims = await asyncio.gather(*(catalog.claim(clip) for _ in range(8)))
    assert set(claims) == {Claim(1, None)}
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
    assert await catalog.claim(clip, upload_id=new_id(), must_exist=True, title="Trimmed") == Claim(2, None)
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
