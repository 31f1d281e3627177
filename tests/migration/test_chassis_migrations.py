"""Migrations on real schemas: order, repetition, races, and files that changed afterwards."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from scratch import Scratch, scratch_roles

from chassis import migrations
from chassis.errors import Unavailable
from chassis.migrations import MigrationError, migrate
from chassis.postgres import acquire, open_pool
from deploy.local.stack import Stack

CHASSIS = [
    "0001_create_outbox.sql",
    "0002_create_inbox.sql",
    "0003_create_idempotency_keys.sql",
    "0004_create_operator_actions.sql",
    "0005_guard_operator_actions.sql",
]


@pytest.fixture
async def empty(stack: Stack) -> AsyncIterator[Scratch]:
    async with scratch_roles(stack.dsn("postgres")) as scratch:
        yield scratch


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_create_things.sql").write_text("CREATE TABLE things (id int PRIMARY KEY)")
    (tmp_path / "0002_add_color.sql").write_text("ALTER TABLE things ADD color text; CREATE SEQUENCE numbers")
    return tmp_path


async def tables(scratch: Scratch) -> set[str]:
    connection = await asyncpg.connect(scratch.owner_dsn)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", scratch.schema)
    await connection.close()
    return {row["tablename"] for row in rows}


async def test_chassis_tables_come_first_and_a_second_run_does_nothing(empty: Scratch, directory: Path) -> None:
    applied = await migrate(empty.owner_dsn, empty.schema, directory)
    assert applied == [*CHASSIS, "0001_create_things.sql", "0002_add_color.sql"]
    assert await migrate(empty.owner_dsn, empty.schema, directory) == []
    assert {"outbox", "inbox", "idempotency_keys", "things"} <= await tables(empty)


async def test_only_what_is_new_is_applied(empty: Scratch, directory: Path) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    (directory / "0003_drop_things.sql").write_text("DROP TABLE things")
    assert await migrate(empty.owner_dsn, empty.schema, directory) == ["0003_drop_things.sql"]
    assert "things" not in await tables(empty)


async def test_instances_that_start_at_once_apply_each_file_once(empty: Scratch, directory: Path) -> None:
    runs = await asyncio.gather(*(migrate(empty.owner_dsn, empty.schema, directory) for _ in range(4)))
    assert sorted(runs, key=len) == [[], [], [], [*CHASSIS, "0001_create_things.sql", "0002_add_color.sql"]]


async def test_a_file_changed_after_it_was_applied_stops_with_its_name(empty: Scratch, directory: Path) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    (directory / "0001_create_things.sql").write_text("CREATE TABLE other_things (id int)")
    with pytest.raises(MigrationError, match=r"0001_create_things\.sql was changed after it had been applied"):
        await migrate(empty.owner_dsn, empty.schema, directory)
    assert "other_things" not in await tables(empty)


async def test_a_file_that_fails_leaves_nothing_of_itself_and_all_before_it(empty: Scratch, directory: Path) -> None:
    (directory / "0003_break_things.sql").write_text("CREATE TABLE half (id int); SELECT no_such_function()")
    with pytest.raises(MigrationError, match=r"0003_break_things\.sql failed and was rolled back"):
        await migrate(empty.owner_dsn, empty.schema, directory)
    assert "things" in await tables(empty)
    assert "half" not in await tables(empty)
    (directory / "0003_break_things.sql").write_text("CREATE TABLE whole (id int)")
    assert await migrate(empty.owner_dsn, empty.schema, directory) == ["0003_break_things.sql"]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT pg_sleep(30)", r"0003_take_long\.sql failed and was rolled back: .* longer than 1 s"),
        ("-- without transaction\nSELECT pg_sleep(30);\n", r"0003_take_long\.sql failed: .* longer than 2 s"),
    ],
    ids=["in a transaction", "without one"],
)
async def test_a_file_that_takes_too_long_is_named(
    empty: Scratch, directory: Path, monkeypatch: pytest.MonkeyPatch, sql: str, told: str
) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    (directory / "0003_take_long.sql").write_text(sql)
    monkeypatch.setattr(migrations, "_WAIT_SECONDS", 1.0)
    monkeypatch.setattr(migrations, "_APART_SECONDS", 2)
    with pytest.raises(MigrationError, match=told):
        await migrate(empty.owner_dsn, empty.schema, directory)


async def test_who_waits_too_long_for_another_migration_is_told_so(
    empty: Scratch, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_WAIT_SECONDS", 1.0)
    other = await asyncpg.connect(empty.owner_dsn)
    try:
        await other.fetchval("SELECT pg_advisory_lock($1, hashtext($2))", migrations._LOCK, empty.schema)
        with pytest.raises(MigrationError, match="others have been migrating it for 1 s"):
            await migrate(empty.owner_dsn, empty.schema, directory)
    finally:
        await other.close()


async def test_a_new_file_below_an_applied_one_is_refused(empty: Scratch, directory: Path) -> None:
    (directory / "0005_create_more.sql").write_text("CREATE TABLE more (id int)")
    await migrate(empty.owner_dsn, empty.schema, directory)
    (directory / "0004_create_late.sql").write_text("CREATE TABLE late (id int)")
    with pytest.raises(MigrationError, match=r"0005_create_more\.sql was applied, and 0004_create_late\.sql is in"):
        await migrate(empty.owner_dsn, empty.schema, directory)


async def test_an_applied_file_that_is_missing_is_named_unless_a_newer_release_applied_it(
    empty: Scratch, directory: Path
) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    (directory / "0002_add_color.sql").unlink()
    assert await migrate(empty.owner_dsn, empty.schema, directory) == []
    (directory / "0003_create_more.sql").write_text("CREATE TABLE more (id int)")
    with pytest.raises(MigrationError, match=r"0002_add_color\.sql was applied, and 0003_create_more\.sql is in"):
        await migrate(empty.owner_dsn, empty.schema, directory)


@pytest.mark.parametrize("name", ["1_create_things.sql", "0001-create-things.sql", "0001_things.sql"])
async def test_a_file_must_be_named_by_number_verb_and_noun(empty: Scratch, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(MigrationError, match="NNNN_verb_noun"):
        await migrate(empty.owner_dsn, empty.schema, tmp_path)


async def test_two_files_with_one_number_are_refused(empty: Scratch, directory: Path) -> None:
    (directory / "0002_add_weight.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="have the same number"):
        await migrate(empty.owner_dsn, empty.schema, directory)


async def test_the_login_role_may_use_what_is_created_and_change_no_table(empty: Scratch, directory: Path) -> None:
    owner = await asyncpg.connect(empty.owner_dsn)
    # As whoever made the schema may have said before the first table was created.
    await owner.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {empty.schema} GRANT ALL ON TABLES TO {empty.schema}")
    await owner.close()
    await migrate(empty.owner_dsn, empty.schema, directory)
    login = await asyncpg.connect(empty.dsn)
    await login.execute("INSERT INTO things (id) VALUES (nextval('numbers')); UPDATE things SET color = 'red'")
    assert await login.fetchval("SELECT color FROM things") == "red"
    for forbidden in ("DROP TABLE things", "CREATE TABLE mine (id int)", "DELETE FROM schema_migrations"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login.execute(forbidden)
    await login.close()


async def test_what_the_login_role_may_not_rewrite_stays_so_when_a_later_version_migrates(
    empty: Scratch, directory: Path
) -> None:
    login = await asyncpg.connect(empty.dsn)
    may = (
        "SELECT ARRAY(SELECT kind FROM unnest($1::text[]) AS kind WHERE has_table_privilege('operator_actions', kind))"
    )
    may_update = """
        SELECT ARRAY(
            SELECT attname::text FROM pg_attribute WHERE attrelid = 'operator_actions'::regclass AND attnum > 0
            AND has_column_privilege('operator_actions', attnum, 'UPDATE') ORDER BY attname
        )
    """
    for _ in range(2):
        await migrate(empty.owner_dsn, empty.schema, directory)
        assert await login.fetchval(may, ["SELECT", "INSERT", "UPDATE", "DELETE"]) == ["SELECT", "INSERT"]
        assert await login.fetchval(may_update) == ["ended_at", "outcome"]
    await login.close()


async def test_who_runs_while_a_column_is_added_fails_once_at_most_in_a_way_that_passes(
    empty: Scratch, directory: Path
) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    async with open_pool(empty.dsn, application_name="test", max_size=1) as pool:

        async def read() -> list[asyncpg.Record]:
            async with acquire(pool) as connection, connection.transaction():
                return await connection.fetch("SELECT * FROM things")

        await read()
        (directory / "0003_add_size.sql").write_text("ALTER TABLE things ADD size int")
        await migrate(empty.owner_dsn, empty.schema, directory)
        with pytest.raises(Unavailable):
            await read()
        assert await read() == []


INDEX = """-- without transaction
DROP INDEX CONCURRENTLY IF EXISTS things_color;
CREATE UNIQUE INDEX CONCURRENTLY things_color ON things (color);
"""


async def test_instances_that_start_at_once_build_an_index_beside_what_goes_on(empty: Scratch, directory: Path) -> None:
    (directory / "0003_index_color.sql").write_text(INDEX)
    runs = await asyncio.gather(*(migrate(empty.owner_dsn, empty.schema, directory) for _ in range(3)))
    assert [run[-1:] for run in sorted(runs, key=len)] == [[], [], ["0003_index_color.sql"]]
    assert await valid_indexes(empty) == {"things_pkey", "things_color"}


async def test_an_index_whose_building_failed_is_built_by_the_next_run(empty: Scratch, directory: Path) -> None:
    await migrate(empty.owner_dsn, empty.schema, directory)
    connection = await asyncpg.connect(empty.owner_dsn)
    try:
        await connection.execute("INSERT INTO things VALUES (1, 'red'), (2, 'red')")
        (directory / "0003_index_color.sql").write_text(INDEX)
        with pytest.raises(MigrationError, match=r"0003_index_color\.sql failed: .*color"):
            await migrate(empty.owner_dsn, empty.schema, directory)
        assert await valid_indexes(empty) == {"things_pkey"}
        await connection.execute("DELETE FROM things WHERE id = 2")
    finally:
        await connection.close()
    assert await migrate(empty.owner_dsn, empty.schema, directory) == ["0003_index_color.sql"]
    assert await valid_indexes(empty) == {"things_pkey", "things_color"}


async def valid_indexes(scratch: Scratch) -> set[str]:
    connection = await asyncpg.connect(scratch.owner_dsn)
    try:
        rows = await connection.fetch(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "WHERE indisvalid AND indrelid = 'things'::regclass"
        )
    finally:
        await connection.close()
    return {row["relname"] for row in rows}
