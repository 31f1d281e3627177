"""Own videos and a user's videos on real tables."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID, uuid4

import pytest
from catalog_rows import insert_video
from scratch import Scratch

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.errors import InvalidArgument
from chassis.postgres import Database, Pool, open_pool
from chassis.transaction import transactions
from nextplay.catalog.v1.video_pb2 import Video
from nextplay.catalog.v1.videos_service_pb2 import ListUserVideosRequest, ListVideosRequest, ListVideosResponse
from services.catalog.domain.playback import grant_of
from services.catalog.domain.wording import Rules
from services.catalog.fakes.playback import fake_urls
from services.catalog.reads.forecast import Forecast
from services.catalog.reads.status import Statuses
from services.catalog.reads.watching import Watchers
from services.catalog.repository import open_store
from services.catalog.servicer.videos import Videos
from services.catalog.signing import asset_urls

ALICE = User(uuid4(), "free")
CONTEXT = None
KEY = b"key"


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def lists(pool: Pool) -> Videos:
    link = asset_urls(fake_urls(utc_now), public_base_url="https://api.test", key=KEY, clock=utc_now)
    begin = transactions(pool, open_store, lambda: None)
    rules = Rules(["sports", "music"], len)
    database = Database(pool, pool)
    return Videos(database, Statuses(database), begin, Watchers(), Forecast(), link, rules, utc_now, b"key")


async def own(lists: Videos, request: ListVideosRequest) -> ListVideosResponse:
    with acting_as(ALICE):
        return await lists.ListVideos(request, CONTEXT)


def ids(reply: ListVideosResponse) -> list[str]:
    return [video.video_id for video in reply.videos]


async def test_own_videos_are_shown_in_every_state_but_deleted(pool: Pool, lists: Videos) -> None:
    ready = await insert_video(pool, ALICE.user_id, minutes=1, status="READY")
    private = await insert_video(pool, ALICE.user_id, minutes=2, visibility="private")
    draft = await insert_video(pool, ALICE.user_id, minutes=3, status="DRAFT", with_assets=False)
    await insert_video(pool, ALICE.user_id, minutes=4, status="DELETED")
    await insert_video(pool, uuid4(), minutes=5)
    assert ids(await own(lists, ListVideosRequest())) == [str(draft), str(private), str(ready)]


async def test_own_videos_are_filtered_by_status_and_category(pool: Pool, lists: Videos) -> None:
    ready = await insert_video(pool, ALICE.user_id, status="READY", category="music")
    sports = await insert_video(pool, ALICE.user_id, minutes=1, status="READY", category="sports")
    music = await insert_video(pool, ALICE.user_id, minutes=2, category="music")
    assert ids(await own(lists, ListVideosRequest(status=Video.Status.READY))) == [str(sports), str(ready)]
    assert ids(await own(lists, ListVideosRequest(category="music"))) == [str(music), str(ready)]
    both = ListVideosRequest(status=Video.Status.READY, category="music")
    assert ids(await own(lists, both)) == [str(ready)]
    assert ids(await own(lists, ListVideosRequest(status=Video.Status.DELETED))) == []


@pytest.mark.parametrize("category", ["sprots", ""])
async def test_own_videos_of_a_category_that_none_may_have_are_refused_with_the_list(
    lists: Videos, category: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"must be one of sports, music, is '{category}'") as refused:
        await own(lists, ListVideosRequest(category=category))
    assert refused.value.fields[0].field == "category"


@pytest.mark.parametrize("status", [0, 99])
async def test_a_number_that_is_no_status_is_refused(lists: Videos, status: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await own(lists, ListVideosRequest(status=status))  # type: ignore[arg-type]
    assert refused.value.fields[0].field == "status"


async def test_own_videos_come_in_pages_and_a_token_keeps_to_its_filters(pool: Pool, lists: Videos) -> None:
    videos = [str(await insert_video(pool, ALICE.user_id, minutes=minutes // 2)) for minutes in range(5)]
    first = await own(lists, ListVideosRequest(page_size=3))
    second = await own(lists, ListVideosRequest(page_size=3, page_token=first.next_page_token))
    assert len(first.videos) == 3
    assert second.next_page_token == ""
    assert sorted(ids(first) + ids(second)) == sorted(videos)
    with pytest.raises(InvalidArgument):
        await own(lists, ListVideosRequest(page_token=first.next_page_token, category="music"))


async def test_a_video_without_outputs_has_no_urls(pool: Pool, lists: Videos) -> None:
    await insert_video(pool, ALICE.user_id, status="PROCESSING", with_assets=False)
    (video,) = (await own(lists, ListVideosRequest())).videos
    for field in ("thumbnail_url", "preview_url", "hls_url", "published_at", "duration_ms"):
        assert not video.HasField(field)


def is_for_owner(video_id: str, hls_url: str) -> bool:
    return grant_of(KEY, UUID(video_id), hls_url.partition("token=")[2], utc_now()).for_owner


async def test_what_others_may_not_see_is_linked_for_its_owner_alone(pool: Pool, lists: Videos) -> None:
    await insert_video(pool, ALICE.user_id, minutes=1, status="READY")
    await insert_video(pool, ALICE.user_id, minutes=2, visibility="private")
    await insert_video(pool, ALICE.user_id, minutes=3, visibility="unlisted")
    await insert_video(pool, ALICE.user_id, minutes=4)
    videos = (await own(lists, ListVideosRequest())).videos
    assert [is_for_owner(video.video_id, video.hls_url) for video in videos] == [False, False, True, True]


async def test_a_users_videos_are_the_published_public_ones(pool: Pool, lists: Videos) -> None:
    author = uuid4()
    older = await insert_video(pool, author, minutes=1)
    newer = await insert_video(pool, author, minutes=2)
    await insert_video(pool, author, minutes=3, visibility="unlisted")
    await insert_video(pool, author, minutes=4, visibility="private")
    await insert_video(pool, author, minutes=5, status="READY")
    await insert_video(pool, author, minutes=6, status="DELETED")
    await insert_video(pool, uuid4(), minutes=7)
    with acting_as(ALICE):
        first = await lists.ListUserVideos(ListUserVideosRequest(user_id=str(author), page_size=1), CONTEXT)
        token = first.next_page_token
        second = await lists.ListUserVideos(ListUserVideosRequest(user_id=str(author), page_token=token), CONTEXT)
        assert [video.video_id for page in (first, second) for video in page.videos] == [str(newer), str(older)]
        with pytest.raises(InvalidArgument):
            await lists.ListUserVideos(ListUserVideosRequest(user_id=str(uuid4()), page_token=token), CONTEXT)
    with acting_as(User(uuid4(), "free")), pytest.raises(InvalidArgument):
        await lists.ListUserVideos(ListUserVideosRequest(user_id=str(author), page_token=token), CONTEXT)
