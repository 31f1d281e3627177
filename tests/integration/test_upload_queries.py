"""That an index serves every named query, so that none reads a whole table."""

from collections.abc import AsyncIterator
from importlib import resources

import asyncpg
import pytest
from upload_world import MakeScratch

from chassis.postgres import Connection
from services.upload.repository import PURGES, QUERIES


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


@pytest.fixture
async def connection(scratch_schema: MakeScratch) -> AsyncIterator[Connection]:
    scratch = await scratch_schema(resources.files("services.upload.migrations"))
    connection = await asyncpg.connect(scratch.dsn)
    try:
        await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        yield connection
    finally:
        await connection.close()


async def test_no_named_query_reads_a_whole_table(connection: Connection) -> None:
    assert "Seq Scan on uploads" in await plan_of(connection, "SELECT * FROM uploads WHERE filename = $1")
    claim = f"SELECT purge_id FROM purges WHERE {PURGES.claimable} AND next_at <= now() ORDER BY {PURGES.order_by}"  # noqa: S608
    for name, statement in {**QUERIES, "claim_purges": claim}.items():
        plan = await plan_of(connection, statement)
        assert "Seq Scan" not in plan, f"{name}\n{plan}"


async def test_the_originals_of_a_page_are_read_from_its_beginning_to_its_end_alone(connection: Connection) -> None:
    plan = await plan_of(connection, QUERIES["list_originals"])
    [condition] = [line for line in plan.splitlines() if "Index Cond" in line]
    assert " > " in condition, plan
    assert " <= " in condition, plan
