"""That an index serves every named query of upload, media, notify, the chassis and the operators' desk, so that none
reads a whole table."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import asyncpg
import pytest
from upload_world import MakeScratch

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from services.media import repository as media
from services.notify.repository.deliveries import IN_TURNS as TO_DEVICES
from services.notify.repository.fanouts import FANOUTS
from services.notify.repository.webhooks import IN_TURNS as TO_WEBHOOKS
from services.notify.repository.withdrawals import WITHDRAWALS
from services.upload import repository as upload

CLAIMS = {"find_due of devices": TO_DEVICES.find_due, "find_due of webhooks": TO_WEBHOOKS.find_due}
"""One statement for both, with names of tables in braces."""


async def plan_of(connection: Connection, statement: str) -> str:
    """The plan for parameters of any value. Without sequential scans, unless nothing else can answer."""
    await connection.execute(f"PREPARE asked AS {statement}")
    parameters: int = await connection.fetchval(
        "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'asked'"
    )
    arguments = f"({', '.join(['NULL'] * parameters)})" if parameters else ""
    plan = await connection.fetch(f"EXPLAIN EXECUTE asked{arguments}")
    await connection.execute("DEALLOCATE asked")
    return "\n".join(row[0] for row in plan)


def named(context: str) -> dict[str, str]:
    """A context's own statements, from its one file or its package of files."""
    package = f"services.{context}"
    folder = resources.files(package).joinpath("queries")
    if not folder.is_dir():
        return dict(queries.load(package))
    files = [file.name for file in folder.iterdir() if file.name.endswith(".sql") and file.name != "claims.sql"]
    return {name: sql for file in files for name, sql in queries.load(f"{package}.queries", file).items()}


@asynccontextmanager
async def connected(scratch_schema: MakeScratch, context: str) -> AsyncIterator[Connection]:
    scratch = await scratch_schema(resources.files(f"services.{context}.migrations"))
    connection = await asyncpg.connect(scratch.dsn)
    try:
        await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        yield connection
    finally:
        await connection.close()


def on_work(leases: Leases) -> dict[str, str]:
    """The chassis' own statements, with the names of a work table in their braces."""
    names = {"table": leases.table, "key": leases.key, "claimable": leases.claimable, "order_by": leases.order_by}
    own = queries.load("chassis")
    formatted = {
        name: own[name].format(change="lease_owner = NULL", **names) for name in own if name != "prepare_schema"
    }
    return {**formatted, **queries.load("operating")}


@pytest.mark.parametrize(
    ("context", "leases"),
    [
        ("upload", upload.PURGES),
        ("media", media.JOBS),
        ("media", media.PURGES),
        ("notify", FANOUTS),
        ("notify", WITHDRAWALS),
    ],
)
async def test_no_named_query_reads_a_whole_table(scratch_schema: MakeScratch, context: str, leases: Leases) -> None:
    async with connected(scratch_schema, context) as connection:
        assert "Seq Scan on outbox" in await plan_of(connection, "SELECT * FROM outbox WHERE data = $1")
        for name, statement in {**on_work(leases), **named(context), **(CLAIMS if context == "notify" else {})}.items():
            plan = await plan_of(connection, statement)
            assert "Seq Scan" not in plan, f"{name}\n{plan}"


async def test_the_originals_of_a_page_are_read_to_its_end_alone(scratch_schema: MakeScratch) -> None:
    async with connected(scratch_schema, "upload") as connection:
        plan = await plan_of(connection, upload.QUERIES["list_originals"])
    [condition] = [line for line in plan.splitlines() if "Index Cond" in line]
    assert " > " in condition, plan
    assert " <= " in condition, plan
