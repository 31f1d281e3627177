"""How deliveries are made, to devices and to webhooks alike: claimed in turns between hosts and users, looked at again
right before they are sent, sent, and written down."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from chassis import tracing
from services.notify.apart import work_apart
from services.notify.domain.turns import Turns
from services.notify.ports.ways import Claimed, Result, Way

C = TypeVar("C", bound=Claimed)
M = TypeVar("M")
R = TypeVar("R", bound=Result)

POLL_SECONDS = 1.0
"""How long what was written elsewhere waits at most; what this process writes wakes."""
GATHER_SECONDS = 0.01
"""While something is under way a claim waits so long, and takes what has found room by then at once."""


async def deliver(way: Way[C, M, R], turns: Turns, *, wake: asyncio.Event, poll_seconds: float = POLL_SECONDS) -> None:
    """Make the deliveries of a channel until cancelled, as many at once as there are turns; none waits for another.

    Who dies between the answer and writing it down has its claims end, and the same is sent again.
    """
    claim_next = claiming(way, turns)

    async def claim() -> Sequence[C]:
        if turns.under_way():
            await asyncio.sleep(GATHER_SECONDS)
        return await claim_next()

    async def make(claimed: C) -> None:
        with tracing.span(f"deliver {way.name}", context=tracing.received(claimed.trace)):
            await deliver_one(way, turns, claimed, room_made=wake.set)

    await work_apart(way.name, claim, make, wake=wake, poll_seconds=poll_seconds)


def claiming(way: Way[C, M, R], turns: Turns) -> Callable[[], Awaitable[Sequence[C]]]:
    """`await claim_next()`: what there is room for, each of which has taken its turn. Goes once round all hosts, of
    which a claim looks at some, before it says that there is nothing."""
    place = ""

    async def claim_next() -> Sequence[C]:
        nonlocal place
        rooms = turns.rooms()
        to_the_end = place == ""
        while rooms.in_all > 0:
            claimed, place = await way.claim(rooms, place)
            for one in claimed:
                turns.take(one)
            if claimed or (to_the_end and place == ""):
                return claimed
            to_the_end = to_the_end or place == ""
        return ()

    return claim_next


async def deliver_one(
    way: Way[C, M, R], turns: Turns, claimed: C, *, room_made: Callable[[], object] = lambda: None
) -> None:
    """Send a claimed delivery that has its turn, unless it is not to be sent any more, and write down how it went."""
    try:
        message = await way.look_again(claimed)
        if message is None:
            return
        result = await way.send(message)
        if result.host_answered:
            turns.answered(claimed.host)
        elif result.host_answered is False:
            turns.failed(claimed.host, result.after)
    finally:
        turns.leave(claimed)
        room_made()
    await way.write_down(message, result)
