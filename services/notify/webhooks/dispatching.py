"""The loop that sends webhooks."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID
from weakref import WeakValueDictionary

from services.notify import metrics
from services.notify.apart import work_apart
from services.notify.domain.limits import Hosts
from services.notify.domain.webhooks import Dispatch, Error, Sent, judge
from services.notify.ports.webhooks import Rooms, Send

AT_ONCE, PER_USER, PER_HOST = 256, 96, 16
CLAIMED_PER_HOST = 3 * PER_HOST
"""What is claimed ahead is sent while the next is claimed and what was sent is written down."""
GATHER_SECONDS = 0.03
"""While something is under way a claim waits so long, and takes what has found room by then at once."""
FRESH_SECONDS = 1.0
"""A claim that waited longer for its turn is looked at again: its endpoint may be another now, or none."""

Claim = Callable[[int, Rooms[str], Rooms[UUID]], Awaitable[Sequence[Dispatch]]]
"""`await claim(limit, hosts, users)`: see `ports.webhooks.WebhookStore.claim`."""
LookAgain = Callable[[Dispatch], Awaitable[Dispatch | None]]
"""`await look_again(dispatch)`: see `ports.webhooks.WebhookStore.look_again`."""
Write = Callable[[Sequence[Sent]], Awaitable[None]]


async def dispatch(claim: Claim, look_again: LookAgain, send: Send, write: Write, *, wake: asyncio.Event) -> None:
    """Send what is due until cancelled, at most 16 requests to one host at once; neither hosts nor users wait for
    each other, as no user's hosts take more than 96 of the 256 places.

    What has waited for its turn for more than a second is sent as its endpoint is then, or not at all.

    Who dies between the reply and writing it down has its claims end, and the same requests are sent again, with the
    same `webhook-id`.
    """
    hosts = Hosts(in_all=AT_ONCE, at_once=CLAIMED_PER_HOST)
    users: Counter[UUID] = Counter()
    turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
    write_down = together(write)

    async def claim_what_fits() -> Sequence[Dispatch]:
        if hosts.room() < AT_ONCE:
            await asyncio.sleep(GATHER_SECONDS)
        room = hosts.room()
        of_hosts = Rooms(hosts.slots(), CLAIMED_PER_HOST)
        of_users = Rooms({user_id: PER_USER - claims for user_id, claims in users.items()}, PER_USER)
        claimed = await claim(room, of_hosts, of_users) if room else []
        for one in claimed:
            hosts.enter(one.host)
            users[one.user_id] += 1
        metrics.webhooks_under_way.set(AT_ONCE - hosts.room())
        metrics.webhook_hosts_left_alone.set(hosts.waiting())
        return claimed

    async def deliver(one: Dispatch) -> None:
        claimed_at = time.monotonic()
        turn = turns.setdefault(one.host, asyncio.Semaphore(PER_HOST))
        try:
            async with turn:
                is_fresh = time.monotonic() - claimed_at < FRESH_SECONDS
                current = one if is_fresh else await look_again(one)
                if current is None:
                    return
                attempt = await send(current)
            if attempt.has_answered:
                hosts.answered(one.host)
            elif attempt.error is not Error.NOT_SENT:
                hosts.failed(one.host)
        finally:
            hosts.leave(one.host)
            users[one.user_id] -= 1
            if not users[one.user_id]:
                del users[one.user_id]
            wake.set()
        await write_down(judge(current, attempt, random.random()))  # noqa: S311 - spreads retries

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
