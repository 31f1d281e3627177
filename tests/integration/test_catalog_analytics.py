"""What whoever analyses the product's use learns from the catalog: each step once, with the change that it tells of."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, timedelta

from catalog_videos import Catalog, Clip
from google.protobuf.message import Message

from chassis.clock import new_id, utc_now
from nextplay.analytics.v1 import analytics_events_pb2 as analytics
from services.catalog.domain.commands import Change, Publication
from services.catalog.domain.video import Visibility
from services.catalog.usecases.archiving import archive_old_videos
from services.catalog.usecases.follows import follow_user, unfollow_user
from services.catalog.usecases.lifecycle import update_video


async def steps_of(catalog: Catalog, clip: Clip) -> list[Message]:
    return [event for event in await catalog.told(clip) if event.DESCRIPTOR.file.package == "nextplay.analytics.v1"]


def names(steps: Sequence[Message]) -> list[str]:
    return [step.DESCRIPTOR.name for step in steps]


async def test_a_video_that_goes_the_whole_way_is_told_of_at_each_step(catalog: Catalog) -> None:
    clip, began = Clip(), utc_now()
    await catalog.claim(clip)
    await catalog.publish(clip, Publication(when_ready=True))
    await catalog.hear(clip.started(), clip.completed(), clip.transcoding(), clip.transcoded())
    await catalog.delete(clip)
    await catalog.delete(clip)
    queued, started, processed, published, deleted = await steps_of(catalog, clip)
    assert isinstance(queued, analytics.ProcessingQueued)
    assert isinstance(started, analytics.ProcessingStarted)
    assert (queued.generation, started.generation) == (1, 1)
    assert isinstance(processed, analytics.ProcessingCompleted)
    assert (processed.outcome, processed.reason_code, processed.generation) == ("READY", "", 1)
    assert processed.duration_ms == 15_000
    assert began <= processed.completed_at.ToDatetime(UTC) <= utc_now()
    assert isinstance(published, analytics.PublishCompleted)
    assert isinstance(deleted, analytics.DeleteCompleted)
    assert (deleted.last_status, deleted.archived) == ("PUBLISHED", False)
    for event in (queued, started, processed, published, deleted):
        assert (event.user_id, event.video_id) == (str(clip.user_id), str(clip.video_id))


async def test_steps_that_a_later_fact_implies_are_told_once_too(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.transcoded(), clip.transcoding(), clip.completed(), clip.started())
    assert names(await steps_of(catalog, clip)) == ["ProcessingQueued", "ProcessingStarted", "ProcessingCompleted"]


async def test_every_outcome_of_processing_is_told_with_its_reason(catalog: Catalog) -> None:
    outcomes = []
    for end in (Clip.rejected, Clip.failed):
        clip = Clip()
        await catalog.claim(clip)
        await catalog.hear(clip.started(), clip.completed(), clip.transcoding(), end(clip), end(clip))
        outcomes += (await steps_of(catalog, clip))[-1:]
    assert [(event.outcome, event.reason_code) for event in outcomes] == [  # type: ignore[attr-defined]
        ("REJECTED_TOO_LONG", "DURATION_TOO_LONG"),
        ("PROCESSING_FAILED", "TRANSCODER_ERROR"),
    ]


async def test_a_retry_is_told_and_waits_again(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.failed())
    await asyncio.gather(*(catalog.retry(clip) for _ in range(3)), return_exceptions=True)
    queued, retry = (await steps_of(catalog, clip))[-2:]
    assert isinstance(queued, analytics.ProcessingQueued)
    assert isinstance(retry, analytics.RetryRequested)
    assert (queued.generation, retry.generation) == (2, 2)
    assert names(await steps_of(catalog, clip)).count("RetryRequested") == 1


async def test_hiding_and_showing_are_told_when_they_change_something(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)

    async def become(visibility: Visibility) -> None:
        async with catalog.begin() as tx:
            await update_video(tx, clip.video_id, clip.user_id, Change(visibility=visibility), utc_now())

    await become(Visibility.PRIVATE)
    await become(Visibility.PUBLIC)
    await catalog.publish(clip)
    before = len(await steps_of(catalog, clip))
    for visibility in (Visibility.UNLISTED, Visibility.UNLISTED, Visibility.PRIVATE, Visibility.PUBLIC):
        await become(visibility)
    hidden, shown = (await steps_of(catalog, clip))[before:]
    assert isinstance(hidden, analytics.HideCompleted)
    assert hidden.visibility == "unlisted"
    assert isinstance(shown, analytics.ShowCompleted)


async def test_an_archived_video_is_told_apart_from_one_that_its_owner_deleted(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.started(), clip.expired())
    await catalog.pool.execute(
        "UPDATE videos SET created_at = now() - interval '31 days', heard_at = created_at - interval '31 days'"
    )
    for _ in range(2):
        await archive_old_videos(catalog.begin, timedelta(days=30), utc_now)
    [deleted] = await steps_of(catalog, clip)
    assert isinstance(deleted, analytics.DeleteCompleted)
    assert (deleted.last_status, deleted.archived) == ("DRAFT", True)


async def test_follows_are_told_when_they_begin_and_end(catalog: Catalog) -> None:
    follower, followed = Clip(), new_id()
    for _ in range(2):
        await asyncio.gather(*(follow_user(catalog.begin, follower.user_id, followed) for _ in range(3)))
    for _ in range(2):
        await asyncio.gather(*(unfollow_user(catalog.begin, follower.user_id, followed) for _ in range(3)))
    began, ended = await steps_of(catalog, follower)
    assert isinstance(began, analytics.FollowStarted)
    assert isinstance(ended, analytics.FollowEnded)
    assert {began.followed_user_id, ended.followed_user_id} == {str(followed)}
    assert began.followed_at.ToDatetime(UTC) <= ended.ended_at.ToDatetime(UTC)
