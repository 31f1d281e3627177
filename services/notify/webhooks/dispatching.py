"""The loop that sends webhooks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

from services.notify import metrics
from services.notify.apart import work_apart
from services.notify.domain.limits import Hosts
from services.notify.domain.webhooks import Dispatch, Sent, judge
from services.notify.ports.webhooks import Send

AT_ONCE, PER_HOST = 256, 16

Claim = Callable[[int, Mapping[str, int], int], Awaitable[Sequence[Dispatch]]]
"""`await claim(limit, rooms, room)`: see `ports.webhooks.WebhookStore.claim`."""
Write = Callable[[Sequence[Sent]], Awaitable[None]]


async def dispatch(claim: Claim, send: Send, write: Write, *, wake: asyncio.Event) -> None:
    """Send what is due until cancelled, at most 16 requests to one host at once; hosts do not wait for each other.

    Who dies between the reply and writing it down has its claims end, and the same requests are sent again, with the
    same `webhook-id`.
    """
    hosts = Hosts(in_all=AT_ONCE, at_once=PER_HOST)
    write_down = together(write)

    async def claim_what_fits() -> Sequence[Dispatch]:
        room = hosts.room()
        claimed = await claim(room, hosts.slots(), PER_HOST) if room else []
        for one in claimed:
            hosts.enter(one.host)
        metrics.webhooks_under_way.set(AT_ONCE - hosts.room())
        metrics.webhook_hosts_left_alone.set(hosts.waiting())
        return claimed

    async def deliver(one: Dispatch) -> None:
        try:
            attempt = await send(one)
            if attempt.has_answered:
                hosts.answered(one.host)
            else:
                hosts.failed(one.host)
            await write_down(judge(one, attempt, random.random()))  # noqa: S311 - spreads retries
        finally:
            hosts.leave(one.host)

    await work_apart("webhooks", claim_what_fits, deliver, wake=wake)


def together(write: Write) -> Callable[[Sent], Awaitable[None]]:
    """`write` for one at a time: what comes while it is under way is written next, all at once.

    Where a portion can't be written, the first of it raises; the others are left to their leases, as it is.
    """
    turn = asyncio.Lock()
    gathering: list[Sent] = []

    async def write_down(one: Sent) -> None:
        nonlocal gathering
        mine = gathering
        mine.append(one)
        async with turn:
            if gathering is mine:
                gathering = []
                await write(mine)

    return write_down
