"""Who follows whom, on real tables."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID, uuid4

import pytest
from scratch import Scratch

from chassis.auth import Caller, User, acting_as
from chassis.errors import InvalidArgument
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from nextplay.catalog.v1.follows_service_pb2 import (
    FollowUserRequest,
    ListFollowersRequest,
    ListFollowingRequest,
    UnfollowUserRequest,
)
from services.catalog.domain.follows import CannotFollowYourself
from services.catalog.repository import open_store
from services.catalog.servicer.follows import Follows

ALICE = User(uuid4(), "free")
CONTEXT = None


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def follows(pool: Pool) -> Follows:
    return Follows(pool, transactions(pool, open_store, lambda: None), b"key")


async def follow(follows: Follows, follower: User, followed_id: UUID) -> None:
    with acting_as(follower):
        await follows.FollowUser(FollowUserRequest(user_id=str(followed_id)), CONTEXT)


async def unfollow(follows: Follows, follower: User, followed_id: UUID) -> None:
    with acting_as(follower):
        await follows.UnfollowUser(UnfollowUserRequest(user_id=str(followed_id)), CONTEXT)


async def followers(
    follows: Follows, user_id: UUID, *, page_size: int = 100, caller: Caller = ALICE
) -> list[list[str]]:
    """The ids on each page."""
    pages: list[list[str]] = []
    request = ListFollowersRequest(user_id=str(user_id), page_size=page_size)
    with acting_as(caller):
        while True:
            reply = await follows.ListFollowers(request, CONTEXT)
            pages.append([follow.user_id for follow in reply.followers])
            if not reply.next_page_token:
                return pages
            request.page_token = reply.next_page_token


async def test_following_again_keeps_the_first_follow(follows: Follows, pool: Pool) -> None:
    author = uuid4()
    await follow(follows, ALICE, author)
    first = await pool.fetchval("SELECT followed_at FROM follows")
    await asyncio.gather(*(follow(follows, ALICE, author) for _ in range(5)))
    assert [row["followed_at"] for row in await pool.fetch("SELECT followed_at FROM follows")] == [first]


async def test_unfollowing_somebody_who_is_not_followed_changes_nothing(follows: Follows) -> None:
    author = uuid4()
    await unfollow(follows, ALICE, author)
    await follow(follows, ALICE, author)
    await unfollow(follows, ALICE, author)
    await unfollow(follows, ALICE, author)
    assert await followers(follows, author) == [[]]


async def test_nobody_follows_themselves(follows: Follows) -> None:
    with pytest.raises(CannotFollowYourself):
        await follow(follows, ALICE, ALICE.user_id)
    assert await followers(follows, ALICE.user_id) == [[]]


async def test_pages_of_followers_show_everybody_once_latest_first(follows: Follows) -> None:
    author = uuid4()
    users = [User(uuid4(), "free") for _ in range(7)]
    for user in users:
        await follow(follows, user, author)
    pages = await followers(follows, author, page_size=3)
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [shown for page in pages for shown in page] == [str(user.user_id) for user in reversed(users)]


async def test_followers_from_the_same_moment_are_all_shown(follows: Follows, pool: Pool) -> None:
    author = uuid4()
    users = [uuid4() for _ in range(7)]
    await pool.execute(
        "INSERT INTO follows (follower_id, followed_id, followed_at) SELECT unnest($1::uuid[]), $2, now()",
        users,
        author,
    )
    pages = await followers(follows, author, page_size=2)
    assert sorted(shown for page in pages for shown in page) == sorted(map(str, users))


async def test_whom_a_user_follows_is_shown_latest_first_in_pages(follows: Follows) -> None:
    authors = [uuid4() for _ in range(3)]
    for author in authors:
        await follow(follows, ALICE, author)
    with acting_as(ALICE):
        request = ListFollowingRequest(user_id=str(ALICE.user_id), page_size=2)
        first = await follows.ListFollowing(request, CONTEXT)
        request.page_token = first.next_page_token
        second = await follows.ListFollowing(request, CONTEXT)
    shown = [follow.user_id for page in (first, second) for follow in page.following]
    assert shown == [str(author) for author in reversed(authors)]
    assert second.next_page_token == ""


async def test_a_page_token_works_for_its_own_list_alone(follows: Follows) -> None:
    author, other = uuid4(), uuid4()
    for _ in range(2):
        await follow(follows, User(uuid4(), "free"), author)
    with acting_as(ALICE):
        reply = await follows.ListFollowers(ListFollowersRequest(user_id=str(author), page_size=1), CONTEXT)
        token = reply.next_page_token
        with pytest.raises(InvalidArgument):
            await follows.ListFollowers(ListFollowersRequest(user_id=str(other), page_token=token), CONTEXT)
        with pytest.raises(InvalidArgument):
            await follows.ListFollowing(ListFollowingRequest(user_id=str(author), page_token=token), CONTEXT)


async def test_a_malformed_user_id_is_refused(follows: Follows) -> None:
    with acting_as(ALICE), pytest.raises(InvalidArgument):
        await follows.FollowUser(FollowUserRequest(user_id="nobody"), CONTEXT)
