"""A connection that stays with reads which follow each other closely."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from chassis.postgres import ACQUIRE_SECONDS, Connection, Pool, translated

T = TypeVar("T")
Pooled: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

KEPT_SECONDS = 0.1


class Kept:
    """One connection of a pool for reads one after the other, never for two at once.

    To take a connection and to give it back costs a process as much as a short query. It is given back after a tenth of
    a second, so that the pool may renew it and close; and at once when a read fails, so that the next takes another.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._connection: Pooled | None = None
        self._asked = False
        self._given_back: asyncio.Task[None] | None = None  # kept, because an event loop does not keep its tasks

    async def ask(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        """What `ask` finds. Raises Unavailable when no connection is free for 5 s or the server goes away."""
        with translated():
            connection = self._connection
            if connection is None or _is_gone(connection):
                connection = await self._take()
            self._asked = True
            try:
                return await ask(connection)
            except BaseException:
                self._connection = None
                raise
            finally:
                self._asked = False
                if connection is not self._connection:
                    await self._pool.release(connection)

    async def _take(self) -> Pooled:
        connection = self._connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._end, connection)
        return connection

    def _end(self, connection: Pooled) -> None:
        if connection is self._connection:
            self._connection = None
            if not self._asked:
                self._given_back = asyncio.create_task(self._pool.release(connection))


def _is_gone(connection: Pooled) -> bool:
    """Whether the server, or whoever is between, has closed it while nobody used it."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True  # the pool has taken it back already
