"""Leases on real rows, with claims that race."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from scratch import Scratch, until
from told import Told

from chassis import leases
from chassis.leases import LeaseLost, Leases
from chassis.postgres import Pool, acquire

JOBS = Leases("jobs", claimable="status = 'QUEUED'", order_by="priority DESC, id")


@pytest.fixture
async def jobs(scratch: Scratch, pool: Pool) -> Pool:
    owner = await asyncpg.connect(scratch.owner_dsn)
    await owner.execute("""
        CREATE TABLE jobs (
            id int PRIMARY KEY, status text NOT NULL DEFAULT 'QUEUED', priority int NOT NULL DEFAULT 0,
            lease_owner text, lease_until timestamptz, fence bigint NOT NULL DEFAULT 0,
            attempts int NOT NULL DEFAULT 0, next_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    await owner.close()
    return pool


async def insert(pool: Pool, *rows: tuple[int, int]) -> None:
    await pool.executemany("INSERT INTO jobs (id, priority) VALUES ($1, $2)", rows)


async def claim(pool: Pool, owner: str, *, seconds: float = 30, limit: int = 1) -> list[asyncpg.Record]:
    async with acquire(pool) as connection:
        return await JOBS.claim(connection, owner, seconds, limit)


async def test_no_row_is_claimed_twice_however_many_claim_at_once(jobs: Pool) -> None:
    await insert(jobs, *((number, 0) for number in range(50)))
    claims = await asyncio.gather(*(claim(jobs, f"worker-{number}", limit=3) for number in range(30)))
    claimed = [row["id"] for rows in claims for row in rows]
    assert sorted(claimed) == sorted(set(claimed))
    while rows := await claim(jobs, "late", limit=7):
        claimed += [row["id"] for row in rows]
    assert sorted(claimed) == list(range(50))


async def test_the_highest_priority_comes_first_and_ties_by_age(jobs: Pool) -> None:
    await insert(jobs, (1, 0), (2, 5), (3, 0), (4, 5))
    assert [row["id"] for row in await claim(jobs, "worker", limit=3)] == [2, 4, 1]


async def test_a_leased_row_is_not_claimable_until_its_lease_ends(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (first,) = await claim(jobs, "one", seconds=0.2)
    assert await claim(jobs, "two") == []

    second: list[asyncpg.Record] = []

    async def claimed() -> bool:
        second.extend(await claim(jobs, "two"))
        return bool(second)

    await until(claimed)
    assert second[0]["fence"] == first["fence"] + 1
    assert (second[0]["attempts"], second[0]["lease_owner"]) == (2, "two")


async def test_an_old_fence_can_neither_extend_nor_finish_nor_give_back(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (first,) = await claim(jobs, "one", seconds=0)
    (second,) = await claim(jobs, "two")
    async with acquire(jobs) as connection:
        assert not await JOBS.extend(connection, 1, first["fence"], 30)
        assert not await JOBS.held(connection, 1, first["fence"])
        assert not await JOBS.release(connection, 1, first["fence"])
        assert not await JOBS.retry_later(connection, 1, first["fence"], 0)
        assert await JOBS.held(connection, 1, second["fence"])
        assert await JOBS.extend(connection, 1, second["fence"], 30)


async def test_holding_a_row_keeps_others_from_claiming_it_until_the_transaction_ends(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "slow", seconds=0)
    async with acquire(jobs) as connection, connection.transaction():
        assert await JOBS.held(connection, 1, row["fence"])
        assert await claim(jobs, "other") == []
        await connection.execute("UPDATE jobs SET status = 'DONE' WHERE id = 1")
    assert await claim(jobs, "other") == []


async def test_a_released_row_counts_no_attempt_and_its_holder_has_lost_it(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (first,) = await claim(jobs, "one")
    async with acquire(jobs) as connection:
        assert await JOBS.release(connection, 1, first["fence"])
        assert not await JOBS.extend(connection, 1, first["fence"], 30)
    (second,) = await claim(jobs, "two")
    assert (second["attempts"], second["fence"]) == (1, first["fence"] + 1)


async def test_a_row_to_retry_later_waits_for_its_time(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "one")
    async with acquire(jobs) as connection:
        assert await JOBS.retry_later(connection, 1, row["fence"], 3600)
    assert await claim(jobs, "two") == []
    await jobs.execute("UPDATE jobs SET next_at = now()")
    assert [again["attempts"] for again in await claim(jobs, "two")] == [2]


async def test_work_under_a_heartbeat_outlives_the_first_lease(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "one", seconds=0.6)

    async def work() -> str:
        async def extended() -> bool:
            later = await jobs.fetchval("SELECT lease_until > $1 FROM jobs", row["lease_until"])
            return bool(later)

        await until(extended)
        return "done"

    assert await JOBS.while_held(jobs, 1, row["fence"], 0.6, work()) == "done"
    async with acquire(jobs) as connection:
        assert await JOBS.held(connection, 1, row["fence"])


async def test_work_is_cancelled_when_its_lease_was_lost_which_is_counted(
    jobs: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Told()
    monkeypatch.setattr(leases, "LEASES_LOST", lost)
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "one", seconds=0)
    await claim(jobs, "two")
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(LeaseLost):
        await JOBS.while_held(jobs, 1, row["fence"], 0.3, work())
    assert cancelled.is_set()
    assert lost.by == {("jobs",): 1}
    async with acquire(jobs) as connection:
        assert not await JOBS.held(connection, 1, row["fence"])
    assert lost.by == {("jobs",): 2}


async def test_work_is_cancelled_when_the_database_is_away_longer_than_the_lease(jobs: Pool, tmp_path: Path) -> None:
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "one", seconds=0.5)
    async with acquire(jobs) as blocker, blocker.transaction():
        await blocker.execute("SELECT FROM jobs WHERE id = 1 FOR UPDATE")
        with pytest.raises(LeaseLost):
            await JOBS.while_held(jobs, 1, row["fence"], 0.5, asyncio.Event().wait())


async def test_the_error_of_the_work_is_raised_and_the_heartbeat_ends(jobs: Pool) -> None:
    await insert(jobs, (1, 0))
    (row,) = await claim(jobs, "one")

    async def work() -> None:
        raise LookupError("no such codec")

    before = asyncio.all_tasks()
    with pytest.raises(LookupError, match="no such codec"):
        await JOBS.while_held(jobs, 1, row["fence"], 30, work())
    assert asyncio.all_tasks() == before
