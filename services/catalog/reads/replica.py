"""Reads that may lag a little: from the replica while it is fit to be asked, from the primary otherwise.

A replica is left by the first read that it does not answer in time, and by the watch over it when it falls behind. The
watch alone finds it again. So no read fails for the replica's sake, and one that somebody waits for takes at most a
second longer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NoReturn, TypeVar

import asyncpg

from chassis import queries, telemetry
from chassis.errors import Unavailable
from chassis.postgres import Connection, Database, Pool, acquire, translated
from services.catalog.metrics import REPLICA_ASKED, REPLICA_LAG

T = TypeVar("T")
Ask = Callable[[Connection], Awaitable[T]]

QUERIES = queries.load("services.catalog.queries", "replica.sql")
PATIENCE_SECONDS = 0.5  # for a connection, and again for the answer
BACKGROUND_PATIENCE_SECONDS = 2.0  # nobody waits for these reads, and they are the large ones
LOOK_SECONDS = 1.0

log = telemetry.logger(__name__)


async def ask_replica(database: Database, ask: Ask[T], patience_seconds: float = PATIENCE_SECONDS) -> T | None:
    """What `ask` finds on the replica; None where there is none fit to be asked, or it did not answer in time."""
    replica = database.replica
    if replica is database.primary:
        return None
    try:
        return await _ask(replica, ask, patience_seconds)
    except (Unavailable, asyncpg.PostgresError) as error:
        if not _busy(replica):
            _leave(database, str(error))
        return None


async def ask_either(database: Database, ask: Ask[T]) -> T:
    """What `ask`, for which no caller waits, finds on the replica, or else on the primary."""
    found = await ask_replica(database, ask, BACKGROUND_PATIENCE_SECONDS)
    if found is not None:
        return found
    async with acquire(database.primary) as connection:
        return await ask(connection)


async def watch_replica(database: Database, lag_seconds: float) -> NoReturn:
    """Let `database.replica` be the replica while it answers and is at most `lag_seconds` behind, and the primary
    otherwise; look every second, until cancelled.

    While the primary does not answer, the replica goes on as it was last found: whom an older state does not suffice
    says so with `min_sequence`.
    """
    replica, lag = database.replica, Lag()
    _leave(database, "It was not looked at yet.")
    while True:
        written = replayed = None
        reason = ""
        with suppress(Unavailable, asyncpg.PostgresError):
            written = await _ask(database.primary, _position("written"))
        try:
            replayed = await _ask(replica, _position("replayed"))
        except (Unavailable, asyncpg.PostgresError) as error:
            reason = "" if _busy(replica) else str(error)
        behind = lag.after(written, replayed, time.monotonic())
        if behind is None:
            reason = reason or "It has not caught up yet."
        elif behind > lag_seconds:
            reason = reason or f"It is {behind:.0f} s behind, and the limit is {lag_seconds:g} s."
        if reason:
            _leave(database, reason)
        elif database.replica is not replica:
            database.replica = replica
            REPLICA_ASKED.set(1)
            log.info("replica_found", seconds_behind=behind)
        await asyncio.sleep(LOOK_SECONDS)


class Lag:
    """How far a replica is behind, in seconds, by positions in the write-ahead log: since when, by our own clock, the
    primary has had something that the replica has not replayed.

    The age of the last replayed transaction would grow while nobody writes, and the replica's own word on what it has
    received says nothing where it receives nothing any more. Neither costs a write, as a heartbeat would.
    """

    def __init__(self) -> None:
        self._written: deque[tuple[float, int]] = deque(maxlen=3600)
        self._replayed = 0
        self._caught_up = False

    def after(self, written: int | None, replayed: int | None, now: float) -> float | None:
        """The lag after another look at both positions (None: the server did not tell); None until the replica has
        replayed what the primary had at the first look."""
        if written is not None and (not self._written or written > self._written[-1][1]):
            self._written.append((now, written))
        self._replayed = self._replayed if replayed is None else replayed
        while self._written and self._written[0][1] <= self._replayed:
            self._written.popleft()
            self._caught_up = True
        if not self._caught_up:
            return None
        behind = now - self._written[0][0] if self._written else 0.0
        REPLICA_LAG.set(behind)
        return behind


def _position(name: str) -> Ask[int]:
    async def ask(connection: Connection) -> int:
        position: int | None = await connection.fetchval(QUERIES[name])
        if position is None:
            raise Unavailable("The server replays nothing: it is no replica.")
        return position

    return ask


async def _ask(pool: Pool, ask: Ask[T], patience_seconds: float = PATIENCE_SECONDS) -> T:
    """Ask with a short patience, for a connection and again for the answer. A connection whose answer is late is cut,
    because giving it back to the pool would wait for the server once more; but not under `ask`, because asyncpg breaks
    where that falls between two steps of a statement."""
    with translated():
        async with pool.acquire(timeout=patience_seconds) as connection:
            try:
                async with asyncio.timeout(patience_seconds):
                    return await ask(connection)
            except TimeoutError:
                connection.terminate()
                raise Unavailable(f"The server did not answer within {patience_seconds:g} s.") from None


def _busy(pool: Pool) -> bool:
    """Whether all connections are in use: who then waits in vain for one has learned nothing of the server."""
    return pool.get_size() - pool.get_idle_size() == pool.get_max_size()


def _leave(database: Database, reason: str) -> None:
    if database.replica is not database.primary:
        database.replica = database.primary
        REPLICA_ASKED.set(0)
        log.warning("replica_left", reason=reason)
