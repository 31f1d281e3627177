"""Reads that share a query: who asks while one is under way is answered by the next."""

import asyncio
from collections.abc import Collection, Mapping

from chassis.errors import Unavailable
from services.catalog.reads.together import MOST, Together


class Rows:
    """Answers each key with its tenfold, 0 with nothing, when it is let."""

    def __init__(self) -> None:
        self.asked: list[set[int]] = []
        self.let = asyncio.Event()
        self.failure: Exception | None = None

    async def read(self, keys: Collection[int]) -> Mapping[int, int]:
        self.asked.append(set(keys))
        await asyncio.sleep(0)  # as every query waits, also for an answer that is there
        await self.let.wait()
        if self.failure:
            raise self.failure
        return {key: 10 * key for key in keys if key}


async def begun(rows: Rows, queries: int) -> None:
    async with asyncio.timeout(5):
        while len(rows.asked) < queries:  # noqa: ASYNC110 - what the other tasks have come to
            await asyncio.sleep(0)


async def test_of_those_who_ask_at_once_all_but_the_first_share_a_query_and_each_gets_the_own_answer() -> None:
    rows = Rows()
    rows.let.set()
    together = Together(rows.read)
    assert await asyncio.gather(*(together.get(key) for key in (1, 2, 0, 2))) == [10, 20, None, 20]
    assert rows.asked == [{1}, {0, 2}]


async def test_who_asks_during_a_query_is_answered_by_the_next_and_not_by_what_is_older_than_the_question() -> None:
    rows = Rows()
    together = Together(rows.read)
    first = asyncio.create_task(together.get(1))
    await begun(rows, 1)
    later = [asyncio.create_task(together.get(key)) for key in (1, 2)]
    await asyncio.sleep(0)
    rows.let.set()
    assert await asyncio.gather(first, *later) == [10, 10, 20]
    assert rows.asked == [{1}, {1, 2}]


async def test_who_does_not_wait_any_more_takes_nobodys_answer_away() -> None:
    rows = Rows()
    together = Together(rows.read)
    gone, stays = asyncio.create_task(together.get(1)), asyncio.create_task(together.get(1))
    await begun(rows, 1)
    gone.cancel()
    rows.let.set()
    assert await stays == 10
    assert rows.asked == [{1}, {1}]


async def test_who_waits_for_a_shared_query_and_leaves_takes_nobodys_answer_away() -> None:
    rows = Rows()
    together = Together(rows.read)
    first, gone, stays = (asyncio.create_task(together.get(key)) for key in (1, 2, 2))
    await begun(rows, 1)
    gone.cancel()
    rows.let.set()
    assert await asyncio.gather(first, stays) == [10, 20]


async def test_a_failed_query_fails_whom_it_was_for_and_nobody_later() -> None:
    rows = Rows()
    together = Together(rows.read)
    rows.failure = Unavailable()
    rows.let.set()
    failed = await asyncio.gather(together.get(1), together.get(2), return_exceptions=True)
    assert [type(each) for each in failed] == [Unavailable, Unavailable]
    rows.failure = None
    assert await together.get(1) == 10


async def test_a_query_has_only_so_many_keys() -> None:
    rows = Rows()
    rows.let.set()
    together = Together(rows.read)
    await asyncio.gather(*(together.get(key) for key in range(MOST + 2)))
    assert [len(keys) for keys in rows.asked] == [1, MOST, 1]
