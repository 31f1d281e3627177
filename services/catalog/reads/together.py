"""Reads of one row each that share a query: many at once cost little more than one."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MOST = 500
"""Keys in a query."""


class Together(Generic[K, V]):
    """Answers for keys by `read`, which is asked for many at once: for whoever comes first alone, and then for all that
    came while the query before was under way.

    A query holds nobody up who would not have waited for the database anyway, and the more that ask, the fewer queries
    each of them costs. Who does not wait any more takes nobody's answer away; the query of one who asked alone ends
    with that one, which delays those behind it by what its end takes the server.
    """

    def __init__(self, read: Callable[[Collection[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._read = read
        self._asked: list[tuple[K, asyncio.Future[V | None]]] = []
        self._reading = False
        self._sharing: asyncio.Task[None] | None = None  # kept, because an event loop keeps no task

    async def get(self, key: K) -> V | None:
        """What `read` finds for the key, as it is after this call; None for nothing. Raises what `read` raises."""
        if self._reading:
            answer: asyncio.Future[V | None] = asyncio.get_running_loop().create_future()
            self._asked.append((key, answer))
            return await answer
        self._reading = True
        try:
            return (await self._read({key})).get(key)
        finally:
            self._sharing = asyncio.create_task(self._read_all()) if self._asked else None
            self._reading = self._sharing is not None

    async def _read_all(self) -> None:
        try:
            while self._asked:
                batch, self._asked = self._asked[:MOST], self._asked[MOST:]
                await self._answer(batch)
        finally:
            self._reading = False

    async def _answer(self, batch: Collection[tuple[K, asyncio.Future[V | None]]]) -> None:
        try:
            found = await self._read({key for key, _ in batch})
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for key, answer in batch:
                if not answer.done():
                    answer.set_result(found.get(key))
