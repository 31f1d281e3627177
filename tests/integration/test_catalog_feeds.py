"""Feeds on real tables: what enters, what leaves, and that a fan-out survives its worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID, uuid4

import pytest
from catalog_rows import NOON, change_video, insert_video
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from scratch import Scratch

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.consumer import apply_once
from chassis.errors import InvalidArgument
from chassis.events import describe
from chassis.paging import START
from chassis.postgres import Database, Pool, open_pool
from chassis.transaction import transactions
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoHidden, VideoPublished
from nextplay.catalog.v1.feeds_service_pb2 import DiscoverVideosRequest, GetFeedRequest
from nextplay.catalog.v1.video_pb2 import Video
from services.catalog.consumers.feeds import HANDLERS
from services.catalog.domain.commands import Change
from services.catalog.domain.video import Visibility
from services.catalog.domain.wording import Rules
from services.catalog.fakes.playback import fake_urls
from services.catalog.ports import Begin, Tx
from services.catalog.ports.feeds import FeedFanout
from services.catalog.reads.lists import list_feed
from services.catalog.repository import open_store
from services.catalog.servicer.feeds import Feeds
from services.catalog.signing import asset_urls
from services.catalog.usecases import feeds as usecases
from services.catalog.usecases.follows import follow_user, unfollow_user
from services.catalog.usecases.lifecycle import update_video

CONTEXT = None
PUBLIC_URL = "https://api.test"


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, open_store, lambda: None)


@pytest.fixture
def servicer(pool: Pool) -> Feeds:
    link = asset_urls(fake_urls(utc_now), public_base_url=PUBLIC_URL, key=b"key", clock=utc_now)
    return Feeds(Database(pool, pool), link, Rules(("sports", "music"), len), b"key")


async def apply(begin: Begin, *events: Message) -> None:
    for event in events:
        await apply_once(begin, "catalog", describe(event), event, HANDLERS[type(event)])


async def published(pool: Pool, video_id: UUID) -> VideoPublished:
    row = await pool.fetchrow("SELECT user_id, visibility, published_at FROM videos WHERE video_id = $1", video_id)
    assert row is not None
    at = Timestamp()
    at.FromDatetime(row["published_at"])
    visibility = Video.Visibility.Value(row["visibility"])
    return VideoPublished(video_id=str(video_id), user_id=str(row["user_id"]), visibility=visibility, published_at=at)


async def claimed(begin: Begin) -> FeedFanout:
    (fanout,) = await usecases.claim_fanouts(begin, "test")
    return fanout


async def finish(begin: Begin) -> None:
    """Do the pages that are due, one after the other, until none is left."""
    while fanouts := await usecases.claim_fanouts(begin, "test"):
        for fanout in fanouts:
            await usecases.update_feeds(begin, fanout)


async def publish(pool: Pool, begin: Begin, author: UUID, *, minutes: int = 0, visibility: str = "public") -> UUID:
    """A video that is published and has entered the feeds it belongs in."""
    video_id = await insert_video(pool, author, minutes=minutes, visibility=visibility)
    await apply(begin, await published(pool, video_id))
    await finish(begin)
    return video_id


async def feed(pool: Pool, user_id: UUID) -> list[UUID]:
    rows = await list_feed(Database(pool, pool), user_id, START, 100)
    return [row.video_id for row in rows]


async def entries(pool: Pool, video_id: UUID) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM feed_entries WHERE video_id = $1", video_id)
    return count


async def followers_of(begin: Begin, author: UUID, count: int) -> Sequence[UUID]:
    users = [uuid4() for _ in range(count)]
    for user in users:
        await follow_user(begin, user, author)
    return users


async def test_a_published_video_enters_the_feeds_of_all_followers_and_no_others(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    users = await followers_of(begin, author, 3)
    video_id = await publish(pool, begin, author)
    for user in users:
        assert await feed(pool, user) == [video_id]
    assert await feed(pool, uuid4()) == await feed(pool, author) == []


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
async def test_a_video_that_is_not_public_enters_no_feed(pool: Pool, begin: Begin, visibility: str) -> None:
    author = uuid4()
    (user,) = await followers_of(begin, author, 1)
    video_id = await publish(pool, begin, author, visibility=visibility)
    assert await feed(pool, user) == []
    assert await entries(pool, video_id) == 0


async def test_a_new_follower_finds_the_authors_recent_videos(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalog.usecases.follows.RECENT_VIDEOS", 2)
    author, user = uuid4(), uuid4()
    _, older, newer = [await publish(pool, begin, author, minutes=minutes) for minutes in range(3)]
    await insert_video(pool, author, minutes=5, visibility="unlisted")
    await insert_video(pool, author, minutes=6, status="READY")
    await follow_user(begin, user, author)
    assert await feed(pool, user) == [newer, older]


async def test_who_follows_twice_sees_each_video_once(pool: Pool, begin: Begin) -> None:
    author, user = uuid4(), uuid4()
    video_id = await publish(pool, begin, author)
    await asyncio.gather(*(follow_user(begin, user, author) for _ in range(5)))
    await apply(begin, await published(pool, video_id))
    await finish(begin)
    assert await feed(pool, user) == [video_id]


async def test_a_video_that_is_published_during_a_follow_is_in_the_feed_once(pool: Pool, begin: Begin) -> None:
    author, user = uuid4(), uuid4()
    videos: list[UUID] = []

    @asynccontextmanager
    async def begin_while_the_author_publishes() -> AsyncIterator[Tx]:
        videos.append(await publish(pool, begin, author, minutes=len(videos)))
        async with begin() as tx:
            yield tx

    await follow_user(begin_while_the_author_publishes, user, author)
    assert await feed(pool, user) == videos[::-1]
    assert len(videos) == 2


async def test_unfollowing_takes_that_authors_videos_out_and_leaves_the_others(pool: Pool, begin: Begin) -> None:
    leaving, staying, user = uuid4(), uuid4(), uuid4()
    await follow_user(begin, user, leaving)
    await follow_user(begin, user, staying)
    gone = await publish(pool, begin, leaving)
    kept = await publish(pool, begin, staying)
    await unfollow_user(begin, user, leaving)
    assert await feed(pool, user) == [kept]
    assert await entries(pool, gone) == 0


async def test_a_fanout_that_runs_into_an_unfollow_shows_nothing(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    (user,) = await followers_of(begin, author, 1)
    await publish(pool, begin, author)
    await pool.execute("DELETE FROM follows")
    assert await feed(pool, user) == []


@pytest.mark.parametrize(
    ("event", "status", "visibility"),
    [
        (VideoHidden, "PUBLISHED", "unlisted"),
        (VideoHidden, "PUBLISHED", "private"),
        (VideoDeleted, "DELETED", "public"),
    ],
    ids=["unlisted", "private", "deleted"],
)
async def test_a_video_that_is_taken_back_leaves_at_once_and_its_entries_follow(
    pool: Pool, begin: Begin, event: type[VideoHidden] | type[VideoDeleted], status: str, visibility: str
) -> None:
    author = uuid4()
    (user,) = await followers_of(begin, author, 1)
    video_id = await publish(pool, begin, author)
    other = await publish(pool, begin, author, minutes=1)
    await change_video(pool, video_id, status=status, visibility=visibility)
    assert await feed(pool, user) == [other]
    await apply(begin, event(video_id=str(video_id), user_id=str(author)))
    await finish(begin)
    assert await entries(pool, video_id) == 0
    assert await feed(pool, user) == [other]


async def test_a_video_that_is_shown_again_enters_again(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    (user,) = await followers_of(begin, author, 1)
    video_id = await publish(pool, begin, author)
    await change_video(pool, video_id, visibility="private")
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(author)))
    await finish(begin)
    await change_video(pool, video_id, visibility="public")
    await apply(begin, await published(pool, video_id))
    await finish(begin)
    assert await feed(pool, user) == [video_id]


async def test_a_change_of_visibility_is_told_as_what_it_means_for_feeds(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    video_id = await insert_video(pool, author, visibility="private")
    ready = await insert_video(pool, author, status="READY")
    for changed, visibility in [
        (video_id, Visibility.UNLISTED),
        (video_id, Visibility.PUBLIC),
        (video_id, Visibility.PUBLIC),
        (video_id, Visibility.PRIVATE),
        (video_id, Visibility.PUBLIC),
        (ready, Visibility.PRIVATE),
        (ready, Visibility.PUBLIC),
    ]:
        async with begin() as tx:
            await update_video(tx, changed, author, Change(visibility=visibility), utc_now())
    told = await pool.fetch(
        "SELECT key, headers ->> 'ce_type' AS type FROM outbox WHERE key = $1 ORDER BY id", str(video_id)
    )
    assert [(row["key"], row["type"].rpartition(".")[2]) for row in told] == [
        (str(video_id), "VideoPublished"),
        (str(video_id), "VideoHidden"),
        (str(video_id), "VideoPublished"),
    ]


async def test_events_in_the_wrong_order_come_to_the_same(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    await followers_of(begin, author, 1)
    video_id = await insert_video(pool, author)
    event = await published(pool, video_id)
    await change_video(pool, video_id, status="DELETED")
    await apply(begin, VideoDeleted(video_id=str(video_id), user_id=str(author)), event)
    await finish(begin)
    assert await entries(pool, video_id) == 0


@pytest.mark.parametrize("followers", [4, 5, 6])
async def test_a_fanout_goes_through_all_pages_of_followers(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch, followers: int
) -> None:
    monkeypatch.setattr(usecases, "FOLLOWERS_AT_ONCE", 2)
    author = uuid4()
    await followers_of(begin, author, followers)
    video_id = await publish(pool, begin, author)
    assert await entries(pool, video_id) == followers
    await change_video(pool, video_id, visibility="private")
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(author)))
    await finish(begin)
    assert await entries(pool, video_id) == 0


async def test_a_killed_fanout_goes_on_with_the_page_it_had_not_done(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecases, "FOLLOWERS_AT_ONCE", 2)
    author = uuid4()
    await followers_of(begin, author, 5)
    video_id = await insert_video(pool, author)
    await apply(begin, await published(pool, video_id))
    await usecases.update_feeds(begin, await claimed(begin))
    killed = await claimed(begin)
    assert killed.after != START
    assert await usecases.claim_fanouts(begin, "another") == []
    await pool.execute("UPDATE feed_fanouts SET lease_until = now()")
    await finish(begin)
    assert await entries(pool, video_id) == 5


async def test_a_worker_that_lost_its_lease_changes_nothing(pool: Pool, begin: Begin) -> None:
    author = uuid4()
    await followers_of(begin, author, 1)
    video_id = await insert_video(pool, author)
    await apply(begin, await published(pool, video_id))
    slow = await claimed(begin)
    await pool.execute("UPDATE feed_fanouts SET lease_until = now()")
    await claimed(begin)
    await usecases.update_feeds(begin, slow)
    assert await entries(pool, video_id) == 0


async def test_a_hiding_in_the_middle_of_a_fanout_empties_the_feeds_it_had_reached(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usecases, "FOLLOWERS_AT_ONCE", 2)
    author = uuid4()
    await followers_of(begin, author, 5)
    video_id = await insert_video(pool, author)
    await apply(begin, await published(pool, video_id))
    await usecases.update_feeds(begin, await claimed(begin))
    under_way = await claimed(begin)
    await change_video(pool, video_id, visibility="unlisted")
    await apply(begin, VideoHidden(video_id=str(video_id), user_id=str(author)))
    await usecases.update_feeds(begin, under_way)
    await finish(begin)
    assert await entries(pool, video_id) == 0


async def pages(servicer: Feeds, user: User, page_size: int) -> list[list[str]]:
    """The ids on each page of the user's feed."""
    shown: list[list[str]] = []
    request = GetFeedRequest(page_size=page_size)
    with acting_as(user):
        while True:
            reply = await servicer.GetFeed(request, CONTEXT)
            shown.append([video.video_id for video in reply.videos])
            if not reply.next_page_token:
                return shown
            request.page_token = reply.next_page_token


async def test_pages_of_a_feed_show_every_video_once_last_published_first(
    pool: Pool, begin: Begin, servicer: Feeds
) -> None:
    user = User(uuid4(), "free")
    authors = [uuid4(), uuid4()]
    for author in authors:
        await follow_user(begin, user.user_id, author)
    videos = [await publish(pool, begin, authors[minutes % 2], minutes=minutes // 2) for minutes in range(7)]
    shown = await pages(servicer, user, 3)
    assert [len(page) for page in shown] == [3, 3, 1]
    assert {video for page in shown for video in page} == set(map(str, videos))
    assert shown[0][0] == str(videos[6])
    assert shown[2] == [min(map(str, videos[:2]))]


async def test_what_is_published_between_two_pages_moves_nothing_in_the_second(
    pool: Pool, begin: Begin, servicer: Feeds
) -> None:
    user, author = User(uuid4(), "free"), uuid4()
    await follow_user(begin, user.user_id, author)
    videos = [str(await publish(pool, begin, author, minutes=minutes)) for minutes in range(4)]
    with acting_as(user):
        first = await servicer.GetFeed(GetFeedRequest(page_size=2), CONTEXT)
        newest = str(await publish(pool, begin, author, minutes=4))
        second = await servicer.GetFeed(GetFeedRequest(page_size=2, page_token=first.next_page_token), CONTEXT)
        again = await servicer.GetFeed(GetFeedRequest(page_size=1), CONTEXT)
    assert [video.video_id for video in (*first.videos, *second.videos)] == videos[::-1]
    assert [video.video_id for video in again.videos] == [newest]


async def test_a_page_is_full_although_videos_were_taken_back(pool: Pool, begin: Begin, servicer: Feeds) -> None:
    user, author = User(uuid4(), "free"), uuid4()
    await follow_user(begin, user.user_id, author)
    videos = [await publish(pool, begin, author, minutes=minutes) for minutes in range(6)]
    for hidden in videos[3:5]:
        await change_video(pool, hidden, visibility="private")
    assert await pages(servicer, user, 3) == [[str(videos[5]), str(videos[2]), str(videos[1])], [str(videos[0])]]


async def test_a_feed_shows_the_urls_that_everybody_gets(pool: Pool, begin: Begin, servicer: Feeds) -> None:
    author = uuid4()
    alice, bob = (User(user, "free") for user in await followers_of(begin, author, 2))
    video_id = await publish(pool, begin, author)
    replies = []
    for user in (alice, bob):
        with acting_as(user):
            replies.append((await servicer.GetFeed(GetFeedRequest(), CONTEXT)).videos[0])
    shown, again = replies
    assert shown == again
    assert (shown.user_id, shown.published_at.ToDatetime(tzinfo=NOON.tzinfo)) == (str(author), NOON)
    assert "thumbnail.jpg" in shown.thumbnail_url
    assert "preview.mp4" in shown.preview_url
    assert shown.hls_url.startswith(f"{PUBLIC_URL}/v1/videos/{video_id}/hls/master.m3u8?token=")


async def test_a_feed_token_of_somebody_else_is_refused(pool: Pool, begin: Begin, servicer: Feeds) -> None:
    author = uuid4()
    alice, bob = (User(user, "free") for user in await followers_of(begin, author, 2))
    for minutes in range(2):
        await publish(pool, begin, author, minutes=minutes)
    with acting_as(alice):
        token = (await servicer.GetFeed(GetFeedRequest(page_size=1), CONTEXT)).next_page_token
    with acting_as(bob), pytest.raises(InvalidArgument):
        await servicer.GetFeed(GetFeedRequest(page_token=token), CONTEXT)


async def test_discovery_shows_public_videos_of_everybody(pool: Pool, servicer: Feeds) -> None:
    sports = await insert_video(pool, uuid4(), minutes=1, category="sports")
    music = await insert_video(pool, uuid4(), minutes=2, category="music")
    await insert_video(pool, uuid4(), minutes=3, visibility="unlisted")
    await insert_video(pool, uuid4(), minutes=4, visibility="private")
    await insert_video(pool, uuid4(), minutes=5, status="READY")
    await insert_video(pool, uuid4(), minutes=6, status="DELETED")

    async def discovered(request: DiscoverVideosRequest) -> list[str]:
        with acting_as(User(uuid4(), "free")):
            return [video.video_id for video in (await servicer.DiscoverVideos(request, CONTEXT)).videos]

    assert await discovered(DiscoverVideosRequest()) == [str(music), str(sports)]
    assert await discovered(DiscoverVideosRequest(category="sports")) == [str(sports)]
    for unknown in ("unheard of", ""):
        with pytest.raises(InvalidArgument, match=f"category must be one of sports, music, is '{unknown}'"):
            await discovered(DiscoverVideosRequest(category=unknown))


@pytest.mark.parametrize("category", [None, "sports"])
async def test_discovery_goes_through_pages(pool: Pool, servicer: Feeds, category: str | None) -> None:
    """What is published, hidden or deleted meanwhile moves nothing that is still there."""
    videos = [await insert_video(pool, uuid4(), minutes=minutes) for minutes in range(6)]
    request = DiscoverVideosRequest(page_size=2, category=category)
    with acting_as(User(uuid4(), "free")):
        first = await servicer.DiscoverVideos(request, CONTEXT)
        await insert_video(pool, uuid4(), minutes=9)
        await change_video(pool, videos[4], visibility="private")
        await change_video(pool, videos[2], status="DELETED")
        request.page_token = first.next_page_token
        second = await servicer.DiscoverVideos(request, CONTEXT)
        seen = [video.video_id for page in (first, second) for video in page.videos]
        assert seen == [str(videos[number]) for number in (5, 4, 3, 1)]
        with pytest.raises(InvalidArgument):
            await servicer.DiscoverVideos(
                DiscoverVideosRequest(page_token=first.next_page_token, category="music"), CONTEXT
            )
    with acting_as(User(uuid4(), "free")), pytest.raises(InvalidArgument):
        await servicer.DiscoverVideos(request, CONTEXT)
