"""The loop of a worker: claims pieces of work (chassis/leases) and does them, for as long as the process runs.

service.task("fan-out", work("fan-out", claim, do, wake=wake))
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from chassis import telemetry
from chassis.errors import Unavailable
from chassis.transaction import Begin, Tx

P = TypeVar("P")
S = TypeVar("S")

log = telemetry.logger(__name__)


async def work(
    name: str,
    claim: Callable[[], Awaitable[Sequence[P]]],
    do: Callable[[P], Awaitable[object]],
    *,
    wake: asyncio.Event,
    poll_seconds: float = 5.0,
) -> None:
    """Claim and do until cancelled; all pieces of one claim run at once.

    When there is nothing to claim, or the database is away, waits for `wake` or `poll_seconds`. A piece that raises is
    logged and left to its lease: it is claimed again when that ends.
    """

    async def do_one(piece: P) -> None:
        try:
            await do(piece)
        except Exception as error:
            log.error("work_failed", work=name, piece=repr(piece), error=type(error).__name__)

    while True:
        wake.clear()
        pieces: Sequence[P] = ()
        try:
            pieces = await claim()
        except Unavailable as error:
            log.warning("work_not_claimed", work=name, reason=str(error))
        await asyncio.gather(*(do_one(piece) for piece in pieces))
        if not pieces:
            await woken(wake, poll_seconds)


async def woken(wake: asyncio.Event, seconds: float) -> None:
    """Wait for `wake`, `seconds` at most, and clear it."""
    # Not `wait_for`, which in Python 3.11 may swallow a cancellation that comes together with the wake.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
    wake.clear()


def waking(begin: Begin[S], wake: asyncio.Event) -> Begin[S]:
    """The same `begin`, which wakes a worker of this process after each commit."""

    @asynccontextmanager
    async def begin_and_wake() -> AsyncIterator[Tx[S]]:
        async with begin() as tx:
            yield tx
        wake.set()

    return begin_and_wake
