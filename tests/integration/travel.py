"""Events on their way: loops that run beside a test, and a table in which handlers note what they applied."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from google.protobuf.message import Message
from scratch import Scratch

from chassis.events import EventMeta
from chassis.postgres import Connection, Pool
from chassis.transaction import Begin, Tx


@asynccontextmanager
async def running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Runs a loop beside the test, which fails when the loop ended by itself."""
    task = asyncio.create_task(loop)
    try:
        yield task
    finally:
        if task.done():
            task.result()
            raise AssertionError("the loop ended")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def create_notes(scratch: Scratch) -> None:
    owner = await asyncpg.connect(scratch.owner_dsn)
    await owner.execute("CREATE TABLE notes (position serial, thing_id text, number int)")
    await owner.close()


async def note(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
    """The handler of most tests."""
    await tx.connection.execute("INSERT INTO notes (thing_id, number) VALUES ($1, $2)", event.thing_id, event.number)


async def noted(pool: Pool) -> list[tuple[str, int]]:
    rows = await pool.fetch("SELECT thing_id, number FROM notes ORDER BY position")
    return [(row["thing_id"], row["number"]) for row in rows]


def has_noted(pool: Pool, *expected: tuple[str, int]) -> Callable[[], Awaitable[bool]]:
    """Whether these were applied, in any order."""

    async def reached() -> bool:
        return set(expected) <= set(await noted(pool))

    return reached


def is_empty(pool: Pool, table: str) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return not await pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a table of the tests

    return reached


async def emit(begin: Begin[Connection], *happened: Message) -> None:
    async with begin() as tx:
        for event in happened:
            tx.emit(event)
