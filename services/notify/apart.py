"""Work whose pieces do not wait for each other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chassis import telemetry
from chassis.work import work

P = TypeVar("P")

log = telemetry.logger(__name__)


async def work_apart(
    name: str,
    claim: Callable[[], Awaitable[Sequence[P]]],
    do: Callable[[P], Awaitable[object]],
    *,
    wake: asyncio.Event,
    poll_seconds: float = 1.0,
) -> None:
    """As `chassis.work.work`, but what is claimed next does not wait until everything claimed before has ended, which
    takes as long as the slowest receiver.

    `claim` returns no more than it has room for; the end of a piece makes room and wakes. Cancelled, it cancels the
    pieces under way and waits for them; their leases end by themselves.
    """

    async def do_one(piece: P) -> None:
        try:
            await do(piece)
        except Exception as error:
            log.error("delivery_work_failed", work=name, piece=repr(piece), error=type(error).__name__)
        finally:
            wake.set()

    async with asyncio.TaskGroup() as under_way:

        async def begin(piece: P) -> None:
            under_way.create_task(do_one(piece))

        await work(name, claim, begin, wake=wake, poll_seconds=poll_seconds)
