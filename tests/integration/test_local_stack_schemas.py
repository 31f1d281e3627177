"""What each role may do in the schemas: a context's own role changes rows of its own, its owner the tables, and nobody
touches another's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from deploy.local.stack import Stack
from deploy.local.values import Context, read_values

CONTEXTS = read_values().contexts
ROLES = [role for context in CONTEXTS for role in (context, f"{context}_owner")]

TABLE_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
LEDGERS = {"schema_migrations": {"SELECT"}, "operator_actions": {"SELECT", "INSERT"}}
"""Tables of the schema that its own role may not change at will."""


@asynccontextmanager
async def connected(stack: Stack, role: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(stack.dsn(role), timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(stack: Stack) -> list[tuple[str, str]]:
    """Schema and name of every table of the contexts."""
    async with connected(stack, "postgres") as connection:
        rows = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1)", list(CONTEXTS)
        )
    found = [(row["schemaname"], row["tablename"]) for row in rows]
    assert {schema for schema, _ in found} == set(CONTEXTS)
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_has_no_right_in_another_contexts_schema(platform: Stack, role: str) -> None:
    own = role.removesuffix("_owner")
    async with connected(platform, role) as connection:
        for schema in (*CONTEXTS, "public"):
            if schema != own:
                for right in ("USAGE", "CREATE"):
                    has = await connection.fetchval("SELECT has_schema_privilege($1, $2)", schema, right)
                    assert not has, (schema, right)
        foreign = [f"{schema}.{name}" for schema, name in await tables(platform) if schema != own]
        async with connected(platform, "postgres") as admin:  # for who may not enter a schema knows no name in it
            held = await admin.fetch(
                "SELECT name, kind FROM unnest($2::text[]) AS name, unnest($3::text[]) AS kind"
                " WHERE has_table_privilege($1, name::regclass, kind)",
                role,
                foreign,
                list(TABLE_RIGHTS),
            )
        assert held == []
        for name in foreign:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {name} LIMIT 1")  # noqa: S608 - names of our own


@pytest.mark.parametrize("context", CONTEXTS)
async def test_a_context_changes_rows_of_its_own_and_no_table(platform: Stack, context: Context) -> None:
    async with connected(platform, context) as connection:
        for schema, name in await tables(platform):
            if schema == context:
                rows = await connection.fetch(
                    "SELECT kind FROM unnest($2::text[]) AS kind WHERE has_table_privilege($1::regclass, kind)",
                    f"{schema}.{name}",
                    list(TABLE_RIGHTS),
                )
                assert {row["kind"] for row in rows} == LEDGERS.get(name, {"SELECT", "INSERT", "UPDATE", "DELETE"}), (
                    name
                )
        assert not await connection.fetchval("SELECT has_schema_privilege($1, 'CREATE')", context)
        for wish in (f"TABLE {context}.mine (id int)", "TABLE public.mine (id int)", "SCHEMA mine"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE {wish}")


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_of_one_context_and_can_become_no_other(platform: Stack, role: str) -> None:
    async with connected(platform, role) as connection:
        powers = await connection.fetchrow(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
            " FROM pg_roles WHERE rolname = $1",
            role,
        )
        assert powers is not None
        assert not any(powers.values())
        assert not await connection.fetch(
            "SELECT rolname FROM pg_roles WHERE rolname <> $1 AND pg_has_role($1, oid, 'MEMBER')", role
        )
        for other in (*ROLES, "postgres"):
            if other != role:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(f"SET ROLE {other}")


async def test_no_function_of_ours_runs_with_its_owners_rights(platform: Stack) -> None:
    """One that did could be called for a look into a schema, by whoever may call it."""
    async with connected(platform, "postgres") as connection:
        assert not await connection.fetch(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text = ANY($1)",
            [*CONTEXTS, "public"],
        )
