"""The connection that stays with polls: one for those that follow closely, another after a failure, none for long."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from importlib.resources.abc import Traversable

import pytest
from scratch import Scratch, until

from chassis.errors import Unavailable
from chassis.postgres import Connection, Pool, open_pool
from services.catalog.reads import kept as kept_connection
from services.catalog.reads.kept import Kept

MakeScratch = Callable[[Traversable], Awaitable[Scratch]]


@pytest.fixture
async def pool(scratch_schema: MakeScratch) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name="kept", min_size=0, max_size=2) as opened:
        yield opened


async def all_back(pool: Pool) -> None:
    async def are() -> bool:
        return pool.get_idle_size() == pool.get_size()

    await until(are)


async def backend(connection: Connection) -> int:
    """The process of PostgreSQL behind a connection."""
    process: int = await connection.fetchval("SELECT pg_backend_pid()")
    return process


async def test_reads_that_follow_closely_share_a_connection_which_is_given_back_soon(pool: Pool) -> None:
    kept = Kept(pool)
    async with asyncio.timeout(20):
        while True:  # again where the machine stood still for longer than a connection stays
            asked = {await kept.ask(backend) for _ in range(3)}
            if pool.get_size() - pool.get_idle_size() == 1:
                break
    assert len(asked) == 1
    await all_back(pool)


async def test_a_read_that_fails_costs_the_next_one_nothing(pool: Pool) -> None:
    kept = Kept(pool)

    async def cut(connection: Connection) -> None:
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    await kept.ask(backend)
    with pytest.raises(Unavailable):
        await kept.ask(cut)
    assert await kept.ask(backend) > 0
    await all_back(pool)


async def test_a_connection_that_dies_between_two_reads_is_noticed_before_the_next(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_connection, "KEPT_SECONDS", 3.0)
    kept = Kept(pool)
    process = await kept.ask(backend)
    async with pool.acquire() as another:
        await another.execute("SELECT pg_terminate_backend($1)", process)

    async def is_known() -> bool:
        return pool.get_size() == 1

    await until(is_known)
    assert await kept.ask(backend) != process


async def test_a_read_that_is_given_up_gives_its_connection_back(pool: Pool) -> None:
    kept, asking = Kept(pool), asyncio.Event()

    async def sleep(connection: Connection) -> None:
        asking.set()
        await connection.execute("SELECT pg_sleep(30)")

    given_up = asyncio.create_task(kept.ask(sleep))
    await asking.wait()
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert await kept.ask(backend) > 0
    await all_back(pool)


async def test_a_read_that_outlasts_the_time_of_its_connection_gives_it_back_itself(pool: Pool) -> None:
    kept = Kept(pool)

    async def sleep(connection: Connection) -> None:
        await connection.execute("SELECT pg_sleep(0.3)")
        assert pool.get_idle_size() < pool.get_size()

    await kept.ask(sleep)
    assert pool.get_idle_size() == pool.get_size() == 1
