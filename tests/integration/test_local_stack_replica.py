"""The replica of the local PostgreSQL follows through everything that happens on a developer's machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
import pytest
from scratch import until

from deploy.local.home import ROOT, supervisor_pid
from deploy.local.infrastructure import postgres_data
from deploy.local.lifecycle import start, stop
from deploy.local.process import remains_of
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A home whose stack these tests may kill."""
    with TemporaryDirectory(prefix="nextplay-copy-") as directory:
        yield Path(directory)
        stop(Path(directory))


@pytest.fixture
def running(home: Path) -> Stack:
    """The stack of `home` with its replica, started where the test before left it stopped."""
    return begin(home)


def begin(home: Path) -> Stack:
    if supervisor_pid(home) is None:
        start(home, only_infrastructure=True, shape=Shape(replica=True), with_parent=True)
    return attach(home)


async def write(stack: Stack, word: str) -> None:
    connection = await asyncpg.connect(stack.dsn("postgres"))
    await connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
    await connection.execute("INSERT INTO words VALUES ($1)", word)
    await connection.close()


async def follows(stack: Stack, word: str) -> None:
    """Wait until the replica has what was written to the primary."""
    await write(stack, word)

    async def look() -> bool:
        try:
            connection = await asyncpg.connect(stack.dsn("postgres", "replica"))
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            return bool(await connection.fetchval("SELECT true FROM words WHERE word = $1", word))
        except asyncpg.UndefinedTableError:
            return False
        finally:
            await connection.close()

    await until(look)


async def test_the_replica_follows_after_a_stop_and_a_start(running: Stack, home: Path) -> None:
    await follows(running, "before the stop")
    files = postgres_data(running.home, "replica").stat().st_ino

    stop(home)
    assert not remains_of(home)
    again = begin(home)

    await follows(again, "after the start")
    assert postgres_data(again.home, "replica").stat().st_ino == files


@pytest.mark.parametrize("server", ["postgres", "replica"])
async def test_the_replica_follows_after_the_death_of_either_server(running: Stack, server: str) -> None:
    killed = running.pid(server)

    running.kill(server)
    running.wait_ready(server, other_than=killed)

    await follows(running, f"after the death of {server}")


async def test_the_replica_follows_after_the_death_of_everything_at_once(running: Stack, home: Path) -> None:
    for pid in running.addresses["processes"].values():
        os.kill(pid, signal.SIGKILL)
    await until(lambda: is_true(supervisor_pid(home) is None))

    await follows(begin(home), "after the death of everything")


async def test_a_replica_that_was_away_for_too_long_is_made_anew(running: Stack, home: Path) -> None:
    running.hold("replica")
    connection = await asyncpg.connect(running.dsn("postgres"))

    async def dropped() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT pg_drop_replication_slot(slot_name) IS NOT NULL FROM pg_replication_slots WHERE NOT active"
            )
        )

    await until(dropped)
    await connection.close()
    stop(home)

    await follows(begin(home), "after it was made anew")


async def test_a_start_without_a_replica_leaves_it_where_it_was(running: Stack, home: Path) -> None:
    stop(home)
    start(home, only_infrastructure=True, with_parent=True)
    alone = attach(home)
    assert "replica" not in alone.addresses
    assert "replica" not in [process["name"] for process in alone.status["processes"]]
    await write(alone, "while it was away")
    stop(home)

    again = begin(home)

    await follows(again, "when it came back")
    assert again.addresses["replica"].keys() == again.addresses["postgres"].keys()


async def test_the_role_by_which_it_follows_can_do_nothing_else(running: Stack) -> None:
    admin = await asyncpg.connect(running.dsn("postgres"))
    role = await admin.fetchrow(
        "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication"
        " FROM pg_roles WHERE rolname = 'replica'"
    )
    follower = await admin.fetchval("SELECT usename FROM pg_stat_replication WHERE application_name = 'replica'")
    await admin.close()

    assert role is not None
    assert tuple(role) == (False, False, False, False, True)
    assert follower == "replica"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(running.dsn("replica"))


async def test_nobody_writes_to_the_replica(running: Stack) -> None:
    await follows(running, "a word")
    connection = await asyncpg.connect(running.dsn("postgres", "replica"))

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await connection.execute("INSERT INTO words VALUES ('another word')")

    await connection.close()


def test_make_gives_the_wish_for_a_replica_on() -> None:
    """What `make` would run, without running it."""
    for target in ("up", "run"):
        for asked, given in (({"REPLICA": "1"}, True), ({"REPLICA": "0"}, False), ({}, False)):
            printed = subprocess.run(
                ["make", "--no-print-directory", "-n", target],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **asked},
                capture_output=True,
                text=True,
                check=True,
                timeout=20,
            ).stdout
            assert ("--replica" in printed.split()) == given, printed


def test_the_status_names_the_replica(running: Stack, home: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "deploy.local", "status", "--home", str(home)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout

    assert f"127.0.0.1:{running.ports['replica']}/nextplay" in shown


async def is_true(fact: bool) -> bool:
    return fact
