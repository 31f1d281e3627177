"""Work that is claimed: rows of a table, handed to one worker at a time for a bounded while.

A work table has the columns

    lease_owner text, lease_until timestamptz, fence bigint NOT NULL DEFAULT 0,
    attempts int NOT NULL DEFAULT 0, next_at timestamptz NOT NULL DEFAULT now()

and a partial index that serves `claimable` and `order_by`. A claim raises `fence` and `attempts` by one; whoever holds
the present fence owns the row. A worker that lost its lease, though alive, can neither extend nor finish, because its
fence is old. All times are PostgreSQL's.

    JOBS = Leases("transcode_jobs", claimable="status = 'QUEUED'", order_by="priority DESC, created_at")

    async with acquire(pool) as connection:
        rows = await JOBS.claim(connection, owner="worker-1", seconds=30, limit=1)
    facts = await JOBS.while_held(pool, row["id"], row["fence"], seconds=30, work=transcode(row))
    async with begin() as tx:
        if await JOBS.held(tx.connection, row["id"], row["fence"]):   # locks the row
            ...save the result, emit; set the status that ends `claimable`
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from asyncpg import Record

from chassis import queries
from chassis.errors import Unavailable
from chassis.metrics import LEASES_LOST
from chassis.postgres import Connection, Pool, acquire

QUERIES = queries.load("chassis")

T = TypeVar("T")

_FREED = "lease_owner = NULL, lease_until = NULL"


class LeaseLost(Exception):
    """The row was claimed by somebody else, released, or could not be extended before the lease ended."""


@dataclass(frozen=True)
class Leases:
    """The claims on one table; `key` is its id column. All four are SQL of ours, never input."""

    table: str
    claimable: str
    order_by: str
    key: str = "id"

    async def claim(self, connection: Connection, owner: str, seconds: float, limit: int = 1) -> list[Record]:
        """Lease up to `limit` rows that are claimable, due (`next_at`) and not leased; whole rows, best first.

        Rows that another claim has locked at this moment are skipped, so claims never wait for each other.
        """
        claim = self._query("claim_work", claimable=self.claimable, order_by=self.order_by)
        return sorted(await connection.fetch(claim, owner, seconds, limit), key=lambda row: int(row["rank"]))

    async def claim_these(self, connection: Connection, owner: str, seconds: float, ids: Sequence[Any]) -> list[Record]:
        """Lease those of the rows that are claimable, due and not leased, in no order: for who shares turns between
        hosts or users, and finds by a query of its own whose they are. Whole rows."""
        return await connection.fetch(self._query("claim_these", claimable=self.claimable), owner, seconds, ids)

    async def extend(self, connection: Connection, id: object, fence: int, seconds: float) -> bool:
        """Let the lease end `seconds` from now. False when it is lost."""
        return await self._update(connection, id, fence, "lease_until = now() + make_interval(secs => $3)", seconds)

    async def release(self, connection: Connection, id: object, fence: int) -> bool:
        """Give the row back at once, as if it had not been tried (a worker that shuts down). False when it was lost."""
        return await self._update(connection, id, fence, f"{_FREED}, attempts = work.attempts - 1")

    async def retry_later(self, connection: Connection, id: object, fence: int, seconds: float) -> bool:
        """Give the row back after a failed attempt; claimable again in `seconds`. False when it was lost."""
        due = "next_at = now() + make_interval(secs => $3)"
        return await self._update(connection, id, fence, f"{_FREED}, {due}", seconds)

    async def held(self, connection: Connection, id: object, fence: int) -> bool:
        """Whether this fence still owns the row. Locks it, so that it stays true until the transaction ends."""
        held = await connection.fetchrow(self._query("hold_work"), id, fence) is not None
        LEASES_LOST.add(not held, {"table": self.table})
        return held

    async def while_held(self, pool: Pool, id: object, fence: int, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` while a heartbeat extends the lease every third of `seconds`.

        Raises what `work` raises. When the lease is lost, or could not be extended until it ended, cancels `work`,
        waits for it and raises LeaseLost.
        """
        task = asyncio.ensure_future(work)
        heart = asyncio.ensure_future(self._beat(pool, id, fence, seconds))
        try:
            await asyncio.wait({task, heart}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            task.cancel()
            await asyncio.wait({task})
            heart.result()
            LEASES_LOST.add(1, {"table": self.table})
            raise LeaseLost(f"{self.table} {id}: fence {fence} no longer owns the row")
        finally:
            for pending in (task, heart):
                pending.cancel()
            await asyncio.gather(task, heart, return_exceptions=True)

    async def _beat(self, pool: Pool, id: object, fence: int, seconds: float) -> None:
        """Extend until the lease is lost, then return."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends:
            await asyncio.sleep(seconds / 3)
            try:
                async with asyncio.timeout_at(ends), acquire(pool) as connection:
                    asked = loop.time()
                    if not await self.extend(connection, id, fence, seconds):
                        return
                ends = asked + seconds
            except (Unavailable, TimeoutError):
                continue

    async def _update(self, connection: Connection, id: object, fence: int, change: str, *values: object) -> bool:
        return await connection.fetchrow(self._query("update_work", change=change), id, fence, *values) is not None

    def _query(self, name: str, **parts: str) -> str:
        return QUERIES[name].format(table=self.table, key=self.key, **parts)
