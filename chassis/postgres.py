"""PostgreSQL through asyncpg: bounded pools, deadlines on everything, and vendor errors made neutral.

A process holds at most 20 connections (the specification's limit), the replica's included. Every statement ends after
`statement_timeout` on the server and a little later on our side, so a dead network can't hold a call either.
"""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg
import stamina
from asyncpg.pool import PoolConnectionProxy

from chassis.errors import Unavailable
from chassis.metrics import POOL_CONNECTIONS, POOL_MOST, POOL_WAITING

# asyncpg's classes are generic in its stubs only, hence the quotes.
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]"

POOL_SIZE = 20
CONNECT_SECONDS = ACQUIRE_SECONDS = 5.0
START_SECONDS, CLOSE_SECONDS = 60.0, 10.0
OBSERVE_SECONDS, CUT_SECONDS = 1.0, 0.5

# Conditions that pass by themselves: the same call may succeed a moment later.
_TRANSIENT = (
    OSError,  # and with it TimeoutError
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,  # serialization, deadlock
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # The connection broke at a moment that asyncpg was not prepared for; the pool replaces it.
    asyncpg.InternalClientError,
    # A migration gave a table another column, and in a transaction asyncpg can't prepare its statements anew by itself.
    asyncpg.InvalidCachedStatementError,
)

# Nobody but a person can mend these, and until then nothing that was accepted may fail for it.
_REFUSED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


class _Connection(asyncpg.Connection):
    """Is cut when the server does not confirm in time that it cancelled a statement, which took too long or
    whose caller has left. asyncpg would wait for that, and with it all who want the connection back."""

    def _cancel_current_command(self, *confirmed: "asyncio.Future[None]") -> None:
        super()._cancel_current_command(*confirmed)  # type: ignore[misc]  # asyncpg's own, and not in its stubs
        asyncio.get_running_loop().call_later(CUT_SECONDS, lambda: None if confirmed[-1].done() else self.terminate())


@dataclass
class Database:
    """The pools of one schema. `replica` may lag behind; it is the primary itself where there is no replica, or while
    whoever watches over it finds it unfit.
    """

    primary: Pool
    replica: Pool


@asynccontextmanager
async def open_database(dsn: str, replica_dsn: str | None, *, application_name: str) -> AsyncIterator[Database]:
    """Open the primary's pool and, if there is one, the replica's, which is not waited for; together at most 20
    connections.
    """
    for_replica = POOL_SIZE // 3 if replica_dsn else 0
    async with (
        open_pool(dsn, application_name=application_name, max_size=POOL_SIZE - for_replica) as primary,
        open_pool(replica_dsn, application_name=f"{application_name}-replica", min_size=0, max_size=for_replica)
        if replica_dsn
        else nullcontext(primary) as replica,
    ):
        yield Database(primary, replica)


@asynccontextmanager
async def open_pool(
    dsn: str, *, application_name: str, min_size: int = 1, max_size: int = POOL_SIZE, statement_timeout_ms: int = 5_000
) -> AsyncIterator[Pool]:
    """A pool whose connections read jsonb as Python values, uuid as UUID and timestamptz as aware datetimes.

    Sessions are not cleaned between their users, which would be a round trip for each: who changes one (SET, LISTEN,
    an advisory lock of the session) terminates it. A transaction that was left open is rolled back.

    Waits up to a minute for a PostgreSQL that is just starting, then raises Unavailable; with a `min_size` of 0 it
    connects when it is used. Closing waits for the connections in use, at most 10 s.
    `application_name` is who connects, in PostgreSQL's views and in metrics.
    """
    with translated():
        async for attempt in stamina.retry_context(on=_TRANSIENT, attempts=None, timeout=START_SECONDS, wait_max=2.0):
            with attempt:
                pool = await asyncpg.create_pool(
                    dsn,
                    connection_class=_Connection,
                    min_size=min_size,
                    max_size=max_size,
                    timeout=CONNECT_SECONDS,
                    command_timeout=statement_timeout_ms / 1000 + 1,
                    init=_read_json,
                    reset=_leave_session,
                    server_settings={
                        "application_name": application_name,
                        "statement_timeout": str(statement_timeout_ms),
                        "idle_in_transaction_session_timeout": "15000",
                        "tcp_keepalives_idle": "30",
                    },
                )
    observing = asyncio.create_task(_observe(pool, application_name))
    try:
        yield pool
    finally:
        observing.cancel()
        with suppress(TimeoutError):  # of which the pool makes the end of its connections
            await asyncio.wait_for(pool.close(), CLOSE_SECONDS)


@asynccontextmanager
async def acquire(pool: Pool) -> AsyncIterator[Connection]:
    """A connection for a few statements. Raises Unavailable when none is free for 5 s or the server goes away."""
    with translated():
        # Of a deadline asyncpg makes a task; who finds a connection free does not wait. `get_idle_size` would tell by
        # asking each of twenty, which takes as long as a query.
        async with pool.acquire(timeout=ACQUIRE_SECONDS if pool._queue.empty() else None) as connection:  # type: ignore[attr-defined]
            yield connection


async def delete_in_portions(pool: Pool, statement: str, *arguments: object) -> int:
    """Repeat a DELETE that takes a portion at a time until it finds nothing; how many rows it took. Repeatable."""
    deleted = 0
    async with acquire(pool) as connection:
        while portion := int((await connection.execute(statement, *arguments)).split()[-1]):
            deleted += portion
    return deleted


@contextmanager
def translated() -> Iterator[None]:
    """Turn what passes by itself (lost connection, exhaustion, timeout, deadlock, serialization), and a refused login,
    into Unavailable, if it comes from asyncpg: an OSError or TimeoutError of something else within the block says
    nothing of the database.

    Nothing is retried here, because only the caller knows whether the work is repeatable: consumers, the relay,
    lease loops and idempotent RPCs repeat on Unavailable.
    """
    try:
        yield
    except _REFUSED as error:
        raise Unavailable("The database refuses the service at the moment.", retry_after=1.0) from error
    except (*_TRANSIENT, asyncpg.InterfaceError) as error:
        if isinstance(error, asyncpg.InterfaceError) and isinstance(error.__context__, asyncio.CancelledError):
            raise error.__context__ from None  # the rollback failed of one who is to stop
        if not _passes(error):
            raise
        raise Unavailable("The database is not reachable at the moment.", retry_after=1.0) from error


def _passes(error: BaseException) -> bool:
    if isinstance(error, asyncpg.InterfaceError):
        # asyncpg calls it misuse of its interface when a connection or the pool is closed under the one who uses it.
        return any(said in str(error) for said in ("closed", "closing", "released back to the pool"))
    theirs = any("asyncpg." in str(at.f_globals.get("__name__")) for at, _ in traceback.walk_tb(error.__traceback__))
    return theirs or not isinstance(error, OSError)  # TimeoutError is one too


async def _observe(pool: Pool, name: str) -> None:
    """Tell how full the pool is until cancelled; asyncpg has no word for those who wait."""
    while True:
        size, idle, waiting = pool.get_size(), pool.get_idle_size(), len(pool._queue._getters)  # type: ignore[attr-defined]
        for state, connections in (("in_use", size - idle), ("idle", idle)):
            POOL_CONNECTIONS.set(connections, {"pool": name, "state": state})
        POOL_MOST.set(pool.get_max_size(), {"pool": name})
        POOL_WAITING.set(waiting, {"pool": name})
        await asyncio.sleep(OBSERVE_SECONDS)


async def _read_json(connection: Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _leave_session(_: Connection) -> None:
    """In place of asyncpg's `RESET ALL` and its like; what is left of a transaction was rolled back before."""
