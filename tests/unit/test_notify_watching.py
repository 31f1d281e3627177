"""Watchers of inboxes: one query a tick however many they are, and no more memory for who is slow."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from chassis.errors import Unavailable
from services.notify.reads.inbox import InboxEntry
from services.notify.reads.watching import Numbered, Place, Read, Watchers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GIVEN_AT_ONCE = 3


def numbered(sequence: int) -> Numbered:
    return Numbered(sequence, InboxEntry(uuid4(), "video_ready", "title", "body", None, uuid4(), None, None, NOW, None))


class Inboxes:
    """What is in the inboxes, and what was asked of them."""

    def __init__(self) -> None:
        self.written: dict[UUID, list[Numbered]] = {}
        self.asked: list[Sequence[Place]] = []
        self.away = False

    def write(self, user_id: UUID, *sequences: int) -> None:
        self.written.setdefault(user_id, []).extend(numbered(sequence) for sequence in sequences)

    async def read(self, places: Sequence[Place]) -> Mapping[int, Sequence[Numbered]]:
        self.asked.append(places)
        if self.away:
            raise Unavailable
        behind = [[one for one in self.written.get(at.user_id, []) if one.sequence > at.after] for at in places]
        return {index: news[:GIVEN_AT_ONCE] for index, news in enumerate(behind) if news}


@pytest.fixture
def inboxes() -> Inboxes:
    return Inboxes()


@pytest.fixture
async def watchers(inboxes: Inboxes) -> AsyncIterator[Watchers]:
    watchers, read = Watchers(), inboxes.read
    ticking = asyncio.create_task(_ticking(watchers, read))
    yield watchers
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking


async def _ticking(watchers: Watchers, read: Read) -> None:
    await watchers.keep_informed(read, seconds=0)


async def ticks(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def take(watchers: Watchers, place: Place, count: int) -> list[int]:
    """The numbers of the next few that a watcher at that place is told."""
    taken: list[int] = []
    async with asyncio.timeout(5), aclosing(watchers.watch(place)) as news:
        async for one in news:
            taken.append(one.sequence)
            if len(taken) == count:
                break
    return taken


async def test_a_watcher_is_told_everything_behind_its_place_in_order(watchers: Watchers, inboxes: Inboxes) -> None:
    alice = uuid4()
    inboxes.write(alice, 1, 2, 3, 4, 6, 7, 8, 9, 10)
    assert await take(watchers, Place(alice, 2), 7) == [3, 4, 6, 7, 8, 9, 10]


async def test_all_watchers_of_a_tick_share_one_query(watchers: Watchers, inboxes: Inboxes) -> None:
    users = [uuid4() for _ in range(50)]
    watching = [asyncio.create_task(take(watchers, Place(user, 0), 1)) for user in users]
    await ticks()
    for user in users:
        inboxes.write(user, 1)
    assert await asyncio.gather(*watching) == [[1]] * 50
    assert {place.user_id for place in max(inboxes.asked, key=len)} == set(users)


async def test_two_watchers_of_one_inbox_are_told_the_same_each_from_its_place(
    watchers: Watchers, inboxes: Inboxes
) -> None:
    alice = uuid4()
    inboxes.write(alice, 1, 2, 3)
    both = asyncio.gather(take(watchers, Place(alice, 0), 3), take(watchers, Place(alice, 2), 1))
    assert await both == [[1, 2, 3], [3]]


async def test_a_slow_watcher_is_not_asked_for_until_it_has_taken_what_it_was_given(
    watchers: Watchers, inboxes: Inboxes
) -> None:
    alice = uuid4()
    inboxes.write(alice, *range(1, 100))
    async with aclosing(watchers.watch(Place(alice, 0))) as news:
        assert (await anext(news)).sequence == 1
        inboxes.asked.clear()
        await ticks(100)
        assert inboxes.asked == []
        assert [(await anext(news)).sequence for _ in range(4)] == [2, 3, 4, 5]


async def test_nothing_is_asked_while_nobody_watches(watchers: Watchers, inboxes: Inboxes) -> None:
    alice = uuid4()
    inboxes.write(alice, 1)
    await take(watchers, Place(alice, 0), 1)
    await ticks()
    inboxes.asked.clear()
    await ticks(100)
    assert inboxes.asked == []


async def test_a_database_that_is_away_for_a_while_costs_a_watcher_nothing(
    watchers: Watchers, inboxes: Inboxes
) -> None:
    alice = uuid4()
    inboxes.away = True
    watching = asyncio.create_task(take(watchers, Place(alice, 0), 2))
    await ticks()
    inboxes.write(alice, 1, 2)
    inboxes.away = False
    assert await watching == [1, 2]
