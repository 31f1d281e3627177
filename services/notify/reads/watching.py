"""Watchers of inboxes: one query a tick for all of them, and a few entries of memory for each."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis import queries, telemetry
from chassis.errors import Unavailable
from chassis.postgres import Pool, acquire
from services.notify import metrics
from services.notify.reads.inbox import InboxEntry

QUERIES = queries.load("services.notify.queries", "watching.sql")

GIVEN_AT_ONCE = 20
"""So many entries a watcher is given at a time; the next when it has taken them, so that a slow one holds no more."""

log = telemetry.logger(__name__)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A notification with its number in its inbox."""

    sequence: int
    entry: InboxEntry


@dataclass(frozen=True, slots=True)
class Place:
    """Whose inbox, and up to which number it was seen."""

    user_id: UUID
    after: int


Read = Callable[[Sequence[Place]], Awaitable[Mapping[int, Sequence[Numbered]]]]
"""`await read(places)`: by the index of the place its next entries, in order; nothing where there are none."""


class _Watcher:
    def __init__(self, place: Place) -> None:
        self.place = place
        self.given: Sequence[Numbered] = ()
        self.filled = asyncio.Event()


class Watchers:
    """The watchers of an instance."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()
        self._somebody = asyncio.Event()

    async def watch(self, place: Place) -> AsyncGenerator[Numbered, None]:
        """Each notification behind the place, in the order of their numbers, none left out and none twice."""
        watcher = _Watcher(place)
        self._watchers.add(watcher)
        metrics.watchers.add(1)
        self._somebody.set()
        try:
            while True:
                await watcher.filled.wait()
                for numbered in watcher.given:
                    yield numbered
                watcher.place = Place(place.user_id, watcher.given[-1].sequence)
                watcher.given = ()
                watcher.filled.clear()
        finally:
            self._watchers.discard(watcher)
            metrics.watchers.add(-1)

    async def keep_informed(self, read: Read, seconds: float) -> None:
        """Read for all watchers at once that have taken what they were given, every `seconds` while there is one, until
        cancelled."""
        while True:
            if not self._watchers:
                self._somebody.clear()
                await self._somebody.wait()
            waiting = [watcher for watcher in self._watchers if not watcher.filled.is_set()]
            try:
                news = await read([watcher.place for watcher in waiting]) if waiting else {}
            except Unavailable as error:
                log.warning("watched_inboxes_not_read", watchers=len(waiting), reason=str(error))
            else:
                for index, given in news.items():
                    waiting[index].given = given
                    waiting[index].filled.set()
            await asyncio.sleep(seconds)


async def place_of(pool: Pool, user_id: UUID, after_sequence: int | None) -> Place:
    """Where a watcher begins: behind the number it has seen, or behind the latest where it has seen none. A number that
    was never given out is no place to wait at."""
    async with acquire(pool) as connection:
        latest: int = await connection.fetchval(QUERIES["latest_sequence"], user_id) or 0
    return Place(user_id, latest if after_sequence is None else min(after_sequence, latest))


async def read_behind(pool: Pool, places: Sequence[Place]) -> Mapping[int, Sequence[Numbered]]:
    """Implements `Read`, at most 20 entries for each."""
    users, afters = [place.user_id for place in places], [place.after for place in places]
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["read_behind"], users, afters, GIVEN_AT_ONCE)
    found: dict[int, list[Numbered]] = {}
    for row in rows:
        values = dict(row)
        index, sequence = values.pop("place") - 1, values.pop("sequence")
        found.setdefault(index, []).append(Numbered(sequence, InboxEntry(**values)))
    return found
