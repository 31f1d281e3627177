"""Statuses from a real streaming replica: asked while it is fit, left without a failed poll when it is not, and found
again."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from importlib import resources
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import psutil
import pytest
from catalog_videos import Catalog, Clip
from scratch import Scratch, scratch_roles, until

from chassis.migrations import migrate
from chassis.paging import START
from chassis.postgres import Connection, Pool, open_database
from chassis.transaction import transactions
from deploy.local.lifecycle import start, stop
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from services.catalog.reads import lists, replica, status
from services.catalog.repository import open_store

LAG_SECONDS = 1.0
LONGEST_POLL_SECONDS = 2 * replica.PATIENCE_SECONDS + 1.5  # the last for the machine that the tests share


@pytest.fixture(scope="module")
def servers() -> Iterator[Stack]:
    """PostgreSQL and its replica, which these tests may stop."""
    with TemporaryDirectory(prefix="nextplay-replica-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, shape=Shape(replica=True), with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


@pytest.fixture
async def scratch(servers: Stack) -> AsyncIterator[Scratch]:
    async with scratch_roles(servers.dsn("postgres")) as made:
        await migrate(made.owner_dsn, made.schema, resources.files("services.catalog.migrations"))
        yield made


@asynccontextmanager
async def opened(servers: Stack, scratch: Scratch, lag_seconds: float = 600) -> AsyncIterator[tuple[Catalog, Pool]]:
    """A catalog on both servers, whose replica is watched, and the replica's pool."""
    on_replica = scratch.dsn.replace(f":{servers.ports['postgres']}/", f":{servers.ports['replica']}/")
    async with open_database(scratch.dsn, on_replica, application_name=scratch.schema) as database:
        pool, begin = database.replica, transactions(database.primary, open_store, lambda: None)
        catalog = Catalog(database.primary, begin, database)
        watching = asyncio.create_task(replica.watch_replica(database, lag_seconds))
        try:
            await asyncio.sleep(0)  # lets the watch begin
            assert database.replica is database.primary
            yield catalog, pool
        finally:
            watching.cancel()
            await asyncio.wait([watching])


@dataclass
class Looks:
    """What the watch saw of the primary's position (None: nothing), and when, look by look."""

    seen: list[tuple[int | None, float]] = field(default_factory=list)

    def last_seconds(self, of_the_primary: Callable[[int | None], bool]) -> float:
        """How long the latest looks have all been such, by the watch's own clock."""
        latest = list(takewhile(lambda look: of_the_primary(look[0]), reversed(self.seen)))
        return latest[0][1] - latest[-1][1] if latest else 0.0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks, after = Looks(), replica.Lag.after

    def noting(lag: replica.Lag, written: int | None, replayed: int | None, now: float) -> float | None:
        looks.seen.append((written, now))
        return after(lag, written, replayed, now)

    monkeypatch.setattr(replica.Lag, "after", noting)
    return looks


async def found(catalog: Catalog, pool: Pool) -> None:
    await until(lambda: is_true(catalog.database.replica is pool))


async def left(catalog: Catalog) -> None:
    await until(lambda: is_true(catalog.database.replica is catalog.database.primary))


async def is_true(fact: bool) -> bool:
    return fact


async def poll(catalog: Catalog, clip: Clip, min_sequence: int = 0) -> int:
    """The sequence that a poll shows; it takes no longer than it may."""
    started = time.monotonic()
    standing = await status.Statuses(catalog.database).read(clip.video_id, clip.user_id, min_sequence)
    assert time.monotonic() - started < LONGEST_POLL_SECONDS
    return standing.video.sequence


async def shows(catalog: Catalog, clip: Clip, sequence: int) -> None:
    async def look() -> bool:
        return await poll(catalog, clip) == sequence

    await until(look)


@asynccontextmanager
async def paused(servers: Stack) -> AsyncIterator[None]:
    """The replica receives everything and replays nothing."""
    admin = await asyncpg.connect(servers.dsn("postgres", "replica"))
    try:
        await admin.execute("SELECT pg_wal_replay_pause()")
        await until(lambda: admin.fetchval("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
        yield
    finally:
        await admin.execute("SELECT pg_wal_replay_resume()")
        await admin.close()


@contextmanager
def stopped(servers: Stack) -> Iterator[None]:
    """Every process of the replica keeps its connections and answers nothing."""
    pid = servers.pid("replica")
    assert pid is not None
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            os.kill(process.pid, signal.SIGCONT)


async def test_polls_show_what_the_replica_has_and_min_sequence_what_the_primary_has(
    servers: Stack, scratch: Scratch
) -> None:
    clip = Clip()
    async with opened(servers, scratch) as (catalog, pool):
        await found(catalog, pool)
        await catalog.claim(clip)
        await catalog.hear(clip.started())
        await shows(catalog, clip, 2)
        assert await pool.fetchval("SELECT pg_is_in_recovery()")
        async with paused(servers):
            await catalog.hear(clip.completed())
            assert await poll(catalog, clip) == 2
            assert await poll(catalog, clip, min_sequence=3) == 3
            own = clip.video_id, clip.user_id
            assert (await status.read_statuses(catalog.database, [own]))[own].video.sequence == 2
        await shows(catalog, clip, 3)


async def test_a_video_that_has_not_reached_the_replica_is_found_on_the_primary(
    servers: Stack, scratch: Scratch
) -> None:
    clip = Clip()
    async with opened(servers, scratch) as (catalog, pool):
        await found(catalog, pool)
        async with paused(servers):
            await catalog.claim(clip)
            assert await poll(catalog, clip) == 1


async def test_a_deleted_video_is_in_no_list_although_the_replica_still_has_it(
    servers: Stack, scratch: Scratch
) -> None:
    clip = Clip()
    async with opened(servers, scratch) as (catalog, pool):
        await catalog.make_ready(clip)
        await catalog.publish(clip)
        await found(catalog, pool)
        await shows(catalog, clip, (await catalog.video(clip)).sequence)
        assert [video.video_id for video in await lists.discover(catalog.database, None, START, 10)] == [clip.video_id]
        async with paused(servers):
            await catalog.delete(clip)
            assert await lists.discover(catalog.database, None, START, 10) == []
            assert await lists.list_of_author(catalog.database, clip.user_id, START, 10) == []


async def test_a_replica_that_falls_behind_is_left_and_found_again(servers: Stack, scratch: Scratch) -> None:
    clip = Clip()
    async with opened(servers, scratch, LAG_SECONDS) as (catalog, pool):
        await found(catalog, pool)
        await catalog.claim(clip)
        async with paused(servers):
            await catalog.hear(clip.started())
            await left(catalog)
            assert await poll(catalog, clip) == 2
        await found(catalog, pool)
        await shows(catalog, clip, 2)


async def test_a_replica_is_not_behind_because_nobody_writes(servers: Stack, scratch: Scratch, looks: Looks) -> None:
    async with opened(servers, scratch, LAG_SECONDS) as (catalog, pool):
        await found(catalog, pool)

        async def it_was_quiet_for_long() -> bool:
            assert catalog.database.replica is pool
            written = looks.seen[-1][0]
            return looks.last_seconds(lambda position: position == written) >= 3 * LAG_SECONDS

        await until(it_was_quiet_for_long, seconds=60)
        age = "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
        assert await pool.fetchval(age) >= 3 * LAG_SECONDS
        assert catalog.database.replica is pool


async def test_no_poll_fails_when_the_replica_dies_and_it_is_found_again(servers: Stack, scratch: Scratch) -> None:
    clip = Clip()
    async with opened(servers, scratch) as (catalog, pool):
        await catalog.claim(clip)
        await found(catalog, pool)
        await shows(catalog, clip, 1)
        killed = servers.pid("replica")
        servers.kill("replica")
        while catalog.database.replica is pool:
            assert await poll(catalog, clip) == 1
        await catalog.hear(clip.started())
        assert await poll(catalog, clip) == 2
        await asyncio.to_thread(servers.wait_ready, "replica", other_than=killed)
        await found(catalog, pool)
        await shows(catalog, clip, 2)


async def test_no_poll_fails_when_the_replica_hangs_and_it_is_found_again(servers: Stack, scratch: Scratch) -> None:
    clip = Clip()
    async with opened(servers, scratch) as (catalog, pool):
        await catalog.make_ready(clip)
        await catalog.publish(clip)
        last = (await catalog.video(clip)).sequence
        await found(catalog, pool)
        await shows(catalog, clip, last)
        with stopped(servers):
            polled = await asyncio.gather(*(poll(catalog, clip) for _ in range(50)))
            assert set(polled) == {last}
            await left(catalog)
            assert await poll(catalog, clip) == last
        await found(catalog, pool)
        assert await poll(catalog, clip) == last


async def test_no_read_fails_when_the_process_stood_still_over_an_answer(servers: Stack, scratch: Scratch) -> None:
    async with opened(servers, scratch) as (catalog, pool):
        await found(catalog, pool)

        async def stand_still(connection: Connection) -> int:
            # A statement of its own, so that its preparation is answered meanwhile, and its execution is still to come.
            answer = asyncio.create_task(connection.fetchval(f"SELECT {time.monotonic_ns()}"))
            asyncio.get_running_loop().call_soon(time.sleep, replica.PATIENCE_SECONDS + 0.1)
            number: int = await answer
            return number

        assert await replica.ask_replica(catalog.database, stand_still) is None
        await found(catalog, pool)
        assert await replica.ask_replica(catalog.database, lambda connection: connection.fetchval("SELECT 1")) == 1


async def test_a_catalog_starts_while_the_replica_is_away(servers: Stack, scratch: Scratch) -> None:
    clip = Clip()
    await asyncio.to_thread(servers.hold, "replica")
    try:
        async with opened(servers, scratch) as (catalog, pool):
            await catalog.claim(clip)
            assert await poll(catalog, clip) == 1
            await asyncio.to_thread(servers.release, "replica")
            await found(catalog, pool)
            await shows(catalog, clip, 1)
    finally:
        await asyncio.to_thread(servers.release, "replica")


async def test_polls_go_on_while_the_primary_is_away(servers: Stack, scratch: Scratch, looks: Looks) -> None:
    clip = Clip()
    async with opened(servers, scratch, LAG_SECONDS) as (catalog, pool):
        await catalog.claim(clip)
        await found(catalog, pool)
        await shows(catalog, clip, 1)
        await asyncio.to_thread(servers.hold, "postgres")
        try:

            async def it_was_away_for_long() -> bool:
                assert await poll(catalog, clip) == 1
                return looks.last_seconds(lambda position: position is None) >= 3 * LAG_SECONDS

            await until(it_was_away_for_long, seconds=60)
        finally:
            await asyncio.to_thread(servers.release, "postgres")
        await catalog.hear(clip.started())
        await shows(catalog, clip, 2)


async def test_what_is_no_replica_is_never_asked(servers: Stack, scratch: Scratch) -> None:
    """As after a promotion, or with a wrong DSN."""
    clip = Clip()
    async with open_database(scratch.dsn, scratch.dsn, application_name=scratch.schema) as database:
        elsewhere = database.replica
        watching = asyncio.create_task(replica.watch_replica(database, LAG_SECONDS))
        try:
            catalog = Catalog(database.primary, transactions(database.primary, open_store, lambda: None), database)
            await catalog.claim(clip)
            await until(lambda: is_true(elsewhere.get_size() > 0))
            assert await poll(catalog, clip) == 1
            assert database.replica is database.primary
        finally:
            watching.cancel()
            await asyncio.wait([watching])
