"""Pools and transactions on the real database: deadlines, lost connections, and what they are called."""

import asyncio
import os
import signal
import uuid
from datetime import UTC, datetime

import asyncpg
import pytest
from scratch import Scratch, until

from chassis import postgres
from chassis.errors import Unavailable
from chassis.postgres import Connection, Pool, acquire, open_database, open_pool
from chassis.transaction import Begin
from deploy.local.stack import Stack


async def test_values_come_back_as_python_has_them(pool: Pool) -> None:
    some_id = uuid.uuid4()
    row = await pool.fetchrow("SELECT $1::jsonb AS facts, $2::uuid AS id, now() AS time", {"a": [1, None]}, some_id)
    assert row is not None
    assert row["facts"] == {"a": [1, None]}
    assert uuid.UUID(str(row["id"])) == some_id
    assert row["time"].tzinfo is not None
    assert abs((row["time"] - datetime.now(UTC)).total_seconds()) < 60


async def test_a_statement_that_takes_too_long_is_ended_and_unavailable(scratch: Scratch) -> None:
    async with open_pool(scratch.dsn, application_name="test", statement_timeout_ms=100) as pool:
        with pytest.raises(Unavailable) as raised:
            async with acquire(pool) as connection:
                await connection.execute("SELECT pg_sleep(60)")
        assert isinstance(raised.value.__cause__, asyncpg.QueryCanceledError)
        assert raised.value.retry_after
        async with acquire(pool) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_an_exhausted_pool_is_unavailable_instead_of_waiting(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_pool(scratch.dsn, application_name="test", max_size=2) as pool:
        async with acquire(pool), acquire(pool):
            monkeypatch.setattr(postgres, "ACQUIRE_SECONDS", 0.1)
            with pytest.raises(Unavailable):
                async with acquire(pool):
                    pytest.fail("a third connection of two")
        monkeypatch.undo()
        async with acquire(pool) as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_process_holds_at_most_its_connections_the_replicas_included(scratch: Scratch) -> None:
    async with open_database(scratch.dsn, scratch.dsn, application_name="test") as database:
        assert database.primary.get_max_size() + database.replica.get_max_size() == 20
    async with open_database(scratch.dsn, None, application_name="test") as database:
        assert database.replica is database.primary
        assert database.primary.get_max_size() == 20


async def test_a_connection_killed_in_a_transaction_is_unavailable_and_the_next_one_works(
    notes: Pool, begin: Begin[Connection], stack: Stack
) -> None:
    admin = await asyncpg.connect(stack.dsn("postgres"))

    async def use_case() -> None:
        async with begin() as tx:
            await tx.connection.execute("INSERT INTO notes (thing_id) VALUES ('lost')")
            await admin.execute("SELECT pg_terminate_backend($1)", tx.connection.get_server_pid())
            await tx.connection.execute("INSERT INTO notes (thing_id) VALUES ('lost')")

    with pytest.raises(Unavailable):
        await use_case()
    await admin.close()
    async with begin() as tx:
        await tx.connection.execute("INSERT INTO notes (thing_id) VALUES ('kept')")
    assert await notes.fetchval("SELECT array_agg(thing_id) FROM notes") == ["kept"]


@pytest.mark.parametrize(("right", "wrong"), [("//", "//nobody_"), ("/nextplay", "/nowhere")])
async def test_a_login_that_is_refused_is_unavailable_at_once(scratch: Scratch, right: str, wrong: str) -> None:
    assert right in scratch.dsn
    with pytest.raises(Unavailable) as raised:
        async with asyncio.timeout(20), open_pool(scratch.dsn.replace(right, wrong, 1), application_name="test"):
            pass
    assert "nobody_" in str(raised.value.__cause__) or "nowhere" in str(raised.value.__cause__)


async def test_of_two_transactions_in_a_deadlock_one_commits_and_one_is_unavailable(
    notes: Pool, begin: Begin[Connection]
) -> None:
    await notes.execute("INSERT INTO notes (thing_id, number) VALUES ('a', 0), ('b', 0)")
    both_have_one = asyncio.Barrier(2)

    async def change(first: str, second: str) -> None:
        async with begin() as tx:
            await tx.connection.execute("UPDATE notes SET number = number + 1 WHERE thing_id = $1", first)
            await both_have_one.wait()
            await tx.connection.execute("UPDATE notes SET number = number + 1 WHERE thing_id = $1", second)

    results = await asyncio.gather(change("a", "b"), change("b", "a"), return_exceptions=True)
    assert [type(result) for result in results if result] == [Unavailable]
    assert await notes.fetchval("SELECT array_agg(number) FROM notes") == [1, 1]


async def test_a_mistake_of_ours_is_not_called_unavailable(pool: Pool) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        async with acquire(pool) as connection:
            await connection.execute("SELECT * FROM no_such_table")
    with pytest.raises(asyncpg.DataError):
        async with acquire(pool) as connection:
            await connection.execute("SELECT $1::int", "not a number")


@pytest.mark.parametrize("raised", [TimeoutError("of a lookup"), ConnectionResetError("of a socket")])
async def test_what_something_else_raised_within_a_transaction_is_not_called_the_databases(
    begin: Begin[Connection], raised: OSError
) -> None:
    async def use_case() -> None:
        async with begin() as tx:
            await tx.connection.execute("SELECT 1")
            raise raised

    with pytest.raises(type(raised)) as seen:
        await use_case()
    assert seen.value is raised


async def test_an_answer_that_does_not_come_in_time_is_unavailable(pool: Pool) -> None:
    with pytest.raises(Unavailable) as raised:
        async with acquire(pool) as connection:
            await connection.execute("SELECT pg_sleep(60)", timeout=0.1)
    assert isinstance(raised.value.__cause__, TimeoutError)


async def test_a_database_that_does_not_answer_is_unavailable(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "START_SECONDS", 0.2)
    nowhere = scratch.dsn.rpartition("@")[0] + "@127.0.0.1:9/nextplay"
    with pytest.raises(Unavailable):
        async with open_pool(nowhere, application_name="test"):
            pytest.fail("a pool without a database")


async def test_closing_a_pool_does_not_wait_forever_for_who_forgot_a_connection(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CLOSE_SECONDS", 0.1)
    async with open_pool(scratch.dsn, application_name="test") as pool:
        await pool.acquire()
    assert pool.is_closing()


async def test_who_is_to_stop_in_a_transaction_learns_that_and_leaves_the_connection_usable(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CUT_SECONDS", 10.0)  # whatever else the machine does meanwhile
    using = asyncio.get_running_loop().create_future()

    async def use() -> None:
        async with acquire(pool) as connection, connection.transaction():
            using.set_result(connection.get_server_pid())
            await connection.execute("SELECT pg_sleep(60)")

    async def sleeps() -> bool:
        asleep = "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $1"
        return bool(await pool.fetchval(asleep, used))

    user = asyncio.create_task(use())
    used = await using
    await until(sleeps)  # a cancellation that overtakes its statement cancels nothing
    user.cancel()
    await asyncio.wait([user])
    assert user.cancelled()
    async with acquire(pool) as connection:
        assert connection.get_server_pid() == used


async def test_who_is_to_stop_while_the_server_hangs_learns_that_at_once(pool: Pool) -> None:
    begun = asyncio.Event()

    async def use() -> None:
        async with acquire(pool) as connection, connection.transaction():
            begun.set()
            await connection.execute("SELECT pg_sleep(60)")

    async with acquire(pool) as connection:
        pid = connection.get_server_pid()
    using = asyncio.create_task(use())
    await begun.wait()
    os.kill(pid, signal.SIGSTOP)
    try:
        using.cancel()
        async with asyncio.timeout(3):
            await asyncio.wait([using])
        assert using.cancelled()
    finally:
        os.kill(pid, signal.SIGCONT)
