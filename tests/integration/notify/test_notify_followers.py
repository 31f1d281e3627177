"""How notify learns who follows an author: the same from the catalog, over gRPC, as from the fake."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from uuid import UUID, uuid4

import grpc
import pytest
from scratch import Scratch

from chassis.auth import ServiceCaller, ServiceToken, User, Verifier
from chassis.errors import Failure, Kind, Unauthenticated, Unavailable
from chassis.grpc_client import channel
from chassis.grpc_server import grpc_server
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from nextplay.catalog.v1.follows_service_pb2_grpc import add_FollowServiceServicer_to_server
from services.catalog.repository import open_store
from services.catalog.servicer.follows import Follows
from services.notify import followers
from services.notify.fakes import FakeFollowers
from services.notify.followers import followers_in_catalog
from services.notify.ports.fanouts import ListFollowers, PageTokenRefused

AUTHOR = uuid4()
PAGE_SIZE = 3

Follow = Callable[[list[UUID]], Awaitable[ListFollowers]]


class TrustsNames(Verifier):
    """Takes a service's name for its token."""

    def __init__(self) -> None:
        pass

    async def user(self, token: str) -> User:
        raise Unauthenticated

    async def service(self, token: str) -> ServiceCaller:
        return ServiceCaller(token)


@dataclass
class Catalog:
    """A running catalog and its tables."""

    pool: Pool
    address: str


@pytest.fixture
async def catalog(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Catalog]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
        follows = Follows(pool, transactions(pool, open_store, lambda: None), b"key")
        servicers = [(add_FollowServiceServicer_to_server, follows)]
        async with grpc_server("127.0.0.1:0", servicers, TrustsNames(), stopping=asyncio.Event()) as port:
            yield Catalog(pool, f"127.0.0.1:{port}")


def token_of(service: str, directory: Path) -> ServiceToken:
    file = directory / f"{service}.jwt"
    file.write_text(service)
    return ServiceToken(file)


@pytest.fixture(params=["catalog", "fake"])
async def follow(
    request: pytest.FixtureRequest, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Follow]:
    """Lets users follow AUTHOR, and gives what lists them, three a page."""
    if request.param == "fake":

        async def follow_in_fake(users: list[UUID]) -> ListFollowers:
            return FakeFollowers(users, PAGE_SIZE)

        yield follow_in_fake
        return
    monkeypatch.setattr(followers, "PAGE_SIZE", PAGE_SIZE)
    async with channel(catalog.address, token=token_of("notify", tmp_path)) as opened:

        async def follow_in_catalog(users: list[UUID]) -> ListFollowers:
            insert = "INSERT INTO follows (follower_id, followed_id) SELECT unnest($1::uuid[]), $2"
            await catalog.pool.execute(insert, users, AUTHOR)
            return followers_in_catalog(opened)

        yield follow_in_catalog


@pytest.mark.parametrize(("count", "pages"), [(0, [0]), (1, [1]), (3, [3]), (7, [3, 3, 1])])
async def test_pages_have_every_follower_once(follow: Follow, count: int, pages: list[int]) -> None:
    users = [uuid4() for _ in range(count)]
    list_followers = await follow(users)
    page = await list_followers(AUTHOR, "")
    listed = [page.user_ids]
    while page.next_page_token:
        page = await list_followers(AUTHOR, page.next_page_token)
        listed.append(page.user_ids)
    assert [len(user_ids) for user_ids in listed] == pages
    assert sorted(user_id for user_ids in listed for user_id in user_ids) == sorted(users)


async def test_a_page_can_be_read_again_with_its_token(follow: Follow) -> None:
    list_followers = await follow([uuid4() for _ in range(7)])
    token = (await list_followers(AUTHOR, "")).next_page_token
    assert await list_followers(AUTHOR, token) == await list_followers(AUTHOR, token)


async def test_a_token_that_the_catalog_does_not_know_is_refused(catalog: Catalog, tmp_path: Path) -> None:
    async with channel(catalog.address, token=token_of("notify", tmp_path)) as opened:
        with pytest.raises(PageTokenRefused):
            await followers_in_catalog(opened)(AUTHOR, "from another time")


async def test_other_services_may_not_list_followers(catalog: Catalog, tmp_path: Path) -> None:
    async with channel(catalog.address, token=token_of("media", tmp_path)) as opened:
        with pytest.raises(Failure) as refused:
            await followers_in_catalog(opened)(AUTHOR, "")
    assert refused.value.kind is Kind.UNAVAILABLE, "what is refused to the service is no mistake of whom it serves"
    assert isinstance(refused.value.__cause__, grpc.aio.AioRpcError)
    assert refused.value.__cause__.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_catalog_that_is_away_is_unavailable(tmp_path: Path) -> None:
    async with channel("127.0.0.1:1", token=token_of("notify", tmp_path), timeout_seconds=1) as opened:
        with pytest.raises(Unavailable):
            await followers_in_catalog(opened)(AUTHOR, "")
