"""Schema migrations: files `NNNN_verb_noun.sql`, applied once, in order, forward only.

chassis' own tables (the files beside this module: outbox, inbox, idempotency keys) come first, then the service's.
"""

import asyncio
import hashlib
import re
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import asyncpg

from chassis import queries
from chassis.postgres import Connection

QUERIES = queries.load("chassis")

_NAME = re.compile(r"^(\d{4})_[a-z0-9]+(_[a-z0-9]+)+\.sql$")
_LOCK = 0x6E706D67  # the first half of the advisory lock; the schema is the second
_WAIT_SECONDS, _LOCK_SECONDS, _APART_SECONDS = 300.0, 15, 1500


class MigrationError(Exception):
    """The files and the database disagree; the sentence says which file and how."""


@dataclass(frozen=True)
class _Migration:
    scope: str
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


async def migrate(owner_dsn: str, schema: str, directory: Traversable) -> list[str]:
    """Bring `schema` up to date with chassis' files and those in `directory`; the names of the files applied now.

    Each file is one transaction, unless its first line is `-- without transaction`: then each statement is one, has 25
    minutes, and ends its last line with a semicolon; such a file can be run again from its beginning.
    Instances that start at once queue behind an advisory lock, five minutes at most.
    Everything created is usable (DML, no DDL) by the login role that is named like the schema.
    A database that is ahead of the files, because a newer release migrated it, is left as it is.

    Raises MigrationError when an applied file was changed, is missing or has got a predecessor, when a statement fails
    or takes too long, or when others have not ended their migration in time; asyncpg's errors and OSError when the
    database can't be reached.
    """
    scopes = {"chassis": _read("chassis", resources.files(__package__)), schema: _read(schema, directory)}
    settings = {"application_name": f"migrate-{schema}", "lock_timeout": f"{_LOCK_SECONDS}s"}
    connection = await asyncpg.connect(owner_dsn, timeout=10, command_timeout=_WAIT_SECONDS, server_settings=settings)
    try:
        # Asked for again and again: who waits in a statement has a snapshot, for whose end a concurrent index waits.
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCK, schema):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError as error:
            raise MigrationError(f"{schema}: others have been migrating it for {_WAIT_SECONDS:g} s") from error
        await _prepare(connection, schema)
        pending = [one for scope, files in scopes.items() for one in await _pending(connection, scope, files)]
        for migration in pending:
            await _apply(connection, migration)
        return [migration.name for migration in pending]
    finally:
        await connection.close(timeout=10)


def _read(scope: str, directory: Traversable) -> list[_Migration]:
    """The files of a directory by number."""
    files = sorted((file for file in directory.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    migrations: list[_Migration] = []
    for file in files:
        named = _NAME.match(file.name)
        if named is None:
            raise MigrationError(f"{scope}: {file.name} is not named NNNN_verb_noun.sql")
        if migrations and migrations[-1].version == int(named[1]):
            raise MigrationError(f"{scope}: {migrations[-1].name} and {file.name} have the same number")
        migrations.append(_Migration(scope, int(named[1]), file.name, file.read_text(encoding="utf-8")))
    return migrations


async def _prepare(connection: Connection, schema: str) -> None:
    """The schema, who may use what is created in it, and the table of applied files, which is the owner's alone."""
    quoted = '"' + schema.replace('"', '""') + '"'
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema):
        await connection.execute(f"CREATE SCHEMA {quoted}")
    await connection.execute(QUERIES["prepare_schema"].format(schema=quoted))


async def _pending(connection: Connection, scope: str, files: list[_Migration]) -> list[_Migration]:
    """The files of a scope that are not applied yet. Applied ones are their beginning, unless somebody changed them."""
    query = "SELECT name, checksum FROM schema_migrations WHERE scope = $1 ORDER BY version"
    applied = await connection.fetch(query, scope)
    for file, row in zip(files, applied, strict=False):
        if file.name != row["name"]:
            raise MigrationError(
                f"{scope}: {row['name']} was applied, and {file.name} is in its place among the files; "
                "an applied file stays where it is, a new one gets the next number"
            )
        if file.checksum != row["checksum"]:
            raise MigrationError(
                f"{scope}: {file.name} was changed after it had been applied; "
                "restore it and put the change into a new file"
            )
    return files[len(applied) :]


async def _apply(connection: Connection, migration: _Migration) -> None:
    apart = migration.sql.startswith("-- without transaction\n")
    statements = migration.sql.strip(";\n").split(";\n") if apart else [migration.sql]
    # A file that waits for a lock makes everybody else wait behind it, unless nothing but an index is being built.
    seconds, lock_seconds = (_APART_SECONDS, _APART_SECONDS) if apart else (_WAIT_SECONDS, _LOCK_SECONDS)
    insert = "INSERT INTO schema_migrations (scope, version, name, checksum) VALUES ($1, $2, $3, $4)"
    applied = migration.scope, migration.version, migration.name, migration.checksum
    try:
        await connection.execute(f"SET lock_timeout = '{lock_seconds}s'")
        async with nullcontext() if apart else connection.transaction():
            for statement in statements:
                await connection.execute(statement, timeout=seconds)
            await connection.execute(insert, *applied)
    except (asyncpg.PostgresError, TimeoutError) as error:
        outcome = "failed" if apart else "failed and was rolled back"
        reason = str(error) or f"a statement took longer than {seconds:g} s"
        raise MigrationError(f"{migration.scope}: {migration.name} {outcome}: {reason}") from error
