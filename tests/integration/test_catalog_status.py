"""Status, watching and the estimates, on the real tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID

import pytest
from catalog_videos import Catalog, Clip, catalog_on
from scratch import Scratch

from chassis.auth import User, acting_as
from chassis.clock import new_id, utc_now
from chassis.errors import InvalidArgument
from chassis.events import describe
from chassis.postgres import Pool, open_pool
from nextplay.catalog.v1.video_pb2 import Video as Words
from nextplay.catalog.v1.videos_service_pb2 import (
    GetVideoRequest,
    GetVideoResponse,
    GetVideoStatusRequest,
    GetVideoStatusResponse,
    GetVideoTimelineRequest,
    WatchVideoRequest,
)
from nextplay.media.v1.media_signals_pb2 import QueueObserved, TranscodeProgressed
from services.catalog.characters import count_characters
from services.catalog.consumers.signals import signal_handlers
from services.catalog.domain.commands import Publication
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.video import Visibility
from services.catalog.domain.wording import Rules
from services.catalog.ports.playback import SignedUrl
from services.catalog.reads import status
from services.catalog.reads.forecast import Forecast
from services.catalog.reads.watching import Watchers
from services.catalog.servicer.videos import Videos

MakeScratch = Callable[[Traversable], Awaitable[Scratch]]


async def sign(video_id: UUID, kind: str, s3_key: str, *, for_owner: bool) -> SignedUrl:
    return SignedUrl(f"https://signed/{s3_key}?owner={for_owner}", utc_now() + timedelta(minutes=15))


def servicer(catalog: Catalog) -> Videos:
    rules = Rules(("sports",), count_characters)
    statuses = status.Statuses(catalog.database)
    return Videos(catalog.database, statuses, catalog.begin, Watchers(), Forecast(), sign, rules, utc_now, b"key")


async def status_of(catalog: Catalog, clip: Clip, min_sequence: int = 0) -> GetVideoStatusResponse:
    with acting_as(User(clip.user_id, "free")):
        request = GetVideoStatusRequest(video_id=str(clip.video_id), min_sequence=min_sequence)
        return await servicer(catalog).GetVideoStatus(request, None)


async def video_for(catalog: Catalog, clip: Clip, viewer: UUID) -> GetVideoResponse:
    with acting_as(User(viewer, "free")):
        return await servicer(catalog).GetVideo(GetVideoRequest(video_id=str(clip.video_id)), None)


async def signal(catalog: Catalog, clip: Clip, percent: int, generation: int = 1, remaining: int | None = None) -> None:
    event = TranscodeProgressed(
        video_id=str(clip.video_id), generation=generation, percent=percent, remaining_seconds=remaining
    )
    handlers = signal_handlers(catalog.begin, lambda _: None)
    await handlers[TranscodeProgressed](event, describe(event))


@pytest.fixture
async def replica(scratch_schema: MakeScratch) -> AsyncIterator[Pool]:
    """A second schema, which stays as far behind as a test wants."""
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


async def test_progress_rises_from_upload_to_ready_and_never_falls(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    seen = [(await status_of(catalog, clip)).progress]
    for event in (clip.started(), clip.completed(), clip.transcoding()):
        await catalog.hear(event)
        seen.append((await status_of(catalog, clip)).progress)
    for percent in (10, 60, 40, 0, 99):
        await signal(catalog, clip, percent)
        seen.append((await status_of(catalog, clip)).progress)
    await catalog.hear(clip.transcoded())
    seen.append((await status_of(catalog, clip)).progress)
    await signal(catalog, clip, 5)
    seen.append((await status_of(catalog, clip)).progress)
    assert seen == [0, 5, 10, 10, 18, 63, 63, 63, 98, 100, 100]


async def test_a_signal_of_an_older_generation_or_after_the_end_is_lost(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.transcoding())
    await signal(catalog, clip, 90)
    await catalog.hear(clip.failed())
    await catalog.retry(clip)
    assert (await status_of(catalog, clip)).progress == 10
    await signal(catalog, clip, 95, generation=1)
    assert (await status_of(catalog, clip)).progress == 10
    await signal(catalog, clip, 50, generation=2)
    assert (await status_of(catalog, clip)).progress == 54


async def test_the_status_tells_what_may_be_done_and_whether_it_is_final(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.hear(clip.completed(), clip.rejected())
    reply = await status_of(catalog, clip)
    assert reply.final
    assert list(reply.allowed_actions) == [Words.upload, Words.update, Words.delete]
    assert (reply.reason.code, reply.reason.stage) == ("DURATION_TOO_LONG", "probe")
    assert (reply.sequence, reply.generation) == (4, 1)


async def test_only_the_owner_reads_status_and_timeline(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.publish(clip)
    stranger = Clip(video_id=clip.video_id)
    with pytest.raises(VideoNotFound):
        await status_of(catalog, stranger)
    with acting_as(User(stranger.user_id, "paid")), pytest.raises(VideoNotFound):
        await servicer(catalog).GetVideoTimeline(GetVideoTimelineRequest(video_id=str(clip.video_id)), None)


async def test_polls_that_share_a_query_find_own_videos_alone(catalog: Catalog) -> None:
    clips = [Clip(), Clip(), Clip()]
    for clip in clips:
        await catalog.claim(clip)
    first, one, other = clips
    statuses = status.Statuses(catalog.database)
    # The first asks alone; all others share the query after it.
    asked = [(first, first), (one, one), (other, other), (one, other), (other, one), (first, other)]
    found = await asyncio.gather(
        *(statuses.read(clip.video_id, asking.user_id) for clip, asking in asked), return_exceptions=True
    )
    own = [each.own if isinstance(each, status.Standing) else type(each) for each in found]
    assert own == [(clip.video_id, clip.user_id) for clip in clips] + [VideoNotFound] * 3


async def test_others_see_what_is_published_without_what_is_the_owners_affair(catalog: Catalog) -> None:
    stranger, clip = new_id(), Clip()
    await catalog.make_ready(clip)
    with pytest.raises(VideoNotFound):
        await video_for(catalog, clip, stranger)
    assert "owner=True" in (await video_for(catalog, clip, clip.user_id)).assets[0].url
    await catalog.publish(clip, Publication(Visibility.UNLISTED))
    seen = await video_for(catalog, clip, stranger)
    assert {asset.kind for asset in seen.assets} >= {"MP4_720", "HLS", "THUMB"}
    assert "owner=False" in seen.assets[0].url
    assert not seen.HasField("original_expires_at")
    assert (await video_for(catalog, clip, clip.user_id)).HasField("original_expires_at")
    assert (seen.duration_ms, seen.width, seen.height) == (15_000, 1920, 1080)


async def test_nothing_is_promised_of_a_rejected_video(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.publish(clip, Publication(when_ready=True))
    assert (await video_for(catalog, clip, clip.user_id)).publish_when_ready
    await catalog.hear(clip.completed(), clip.transcoding())
    assert (await video_for(catalog, clip, clip.user_id)).HasField("original_expires_at")
    await catalog.hear(clip.rejected())
    seen = await video_for(catalog, clip, clip.user_id)
    assert (seen.status, seen.publish_when_ready) == (Words.REJECTED_TOO_LONG, False)
    assert not seen.HasField("original_expires_at")


async def test_a_private_video_is_seen_by_its_owner_alone(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.publish(clip, Publication(Visibility.PRIVATE))
    with pytest.raises(VideoNotFound):
        await video_for(catalog, clip, new_id())
    assert (await video_for(catalog, clip, clip.user_id)).status == Words.PUBLISHED


async def test_a_deleted_video_is_known_to_its_owner_without_assets(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await catalog.delete(clip)
    seen = await video_for(catalog, clip, clip.user_id)
    assert (seen.status, len(seen.assets)) == (Words.DELETED, 0)
    assert (await status_of(catalog, clip)).final


async def test_a_malformed_id_names_its_field(catalog: Catalog) -> None:
    with acting_as(User(new_id(), "free")), pytest.raises(InvalidArgument) as refused:
        await servicer(catalog).GetVideoStatus(GetVideoStatusRequest(video_id="42"), None)
    assert refused.value.fields[0].field == "video_id"


async def test_polls_read_the_replica_unless_it_is_behind_what_the_caller_has_seen(
    catalog: Catalog, replica: Pool
) -> None:
    clip = Clip()
    primary, behind = replace(catalog, database=replace(catalog.database, replica=replica)), catalog_on(replica)
    await catalog.make_ready(clip)
    assert (await status_of(primary, clip)).sequence == 5
    await behind.claim(clip)
    await behind.hear(clip.started())
    assert (await status_of(primary, clip)).sequence == 2
    assert (await status_of(primary, clip, min_sequence=2)).sequence == 2
    assert (await status_of(primary, clip, min_sequence=3)).sequence == 5
    assert (await status_of(primary, clip, min_sequence=999)).sequence == 5


async def test_a_replica_that_is_away_is_left(catalog: Catalog, replica: Pool) -> None:
    clip = Clip()
    await catalog.make_ready(clip)
    await replica.close()
    primary = replace(catalog, database=replace(catalog.database, replica=replica))
    assert (await status_of(primary, clip)).sequence == 5


async def test_who_waits_learns_the_place_and_an_estimate_from_recent_runs(catalog: Catalog) -> None:
    done, first, second = Clip(), Clip(), Clip()
    await catalog.make_ready(done)
    for clip in (first, second):
        await catalog.claim(clip)
        await catalog.hear(clip.completed())
    forecast = Forecast()
    handlers = signal_handlers(catalog.begin, forecast.note_pace)
    observed = QueueObserved(observer="test", jobs_per_minute=30)
    await handlers[QueueObserved](observed, describe(observed))
    outlook = await status.read_outlook(catalog.database, 30)
    videos = replace(servicer(catalog), forecast=forecast)
    forecast.outlook = outlook
    with acting_as(User(second.user_id, "free")):
        reply = await videos.GetVideoStatus(GetVideoStatusRequest(video_id=str(second.video_id)), None)
    assert reply.queue_position == 1
    assert reply.eta_seconds == 7
    await catalog.hear(second.transcoding())
    await signal(catalog, second, 50, remaining=4)
    assert 3 <= (await status_of(catalog, second)).eta_seconds <= 4


async def test_a_watcher_sees_the_present_and_each_change_until_the_end(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    await catalog.publish(clip, Publication(when_ready=True))
    videos = servicer(catalog)
    seen = []
    with acting_as(User(clip.user_id, "free")):
        async with aclosing(videos.WatchVideo(WatchVideoRequest(video_id=str(clip.video_id)), None)) as changes:
            seen.append(Words.Status.Name((await anext(changes)).status))
            for event in (clip.started(), clip.completed(), clip.transcoding(), clip.transcoded()):
                await catalog.hear(event)
                videos.watchers.tell(await status.read_statuses(catalog.database, videos.watchers.watched))
                seen.append(Words.Status.Name((await anext(changes)).status))
            assert [change async for change in changes] == []
    assert seen == ["DRAFT", "UPLOADING", "UPLOADED", "PROCESSING", "PUBLISHED"]
    assert not videos.watchers.watched


async def test_watching_somebody_elses_video_is_not_found(catalog: Catalog) -> None:
    clip = Clip()
    await catalog.claim(clip)
    with acting_as(User(new_id(), "free")), pytest.raises(VideoNotFound):
        await anext(servicer(catalog).WatchVideo(WatchVideoRequest(video_id=str(clip.video_id)), None))
