"""Brings notifications to devices, through whichever vendor reaches them."""

import random
from collections.abc import Sequence
from datetime import timedelta

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.delivery import (
    MAX_AGE,
    Delivered,
    Delivery,
    Gone,
    Outcome,
    Push,
    Refused,
    Retry,
    Wait,
    next_attempt,
)
from services.notify.domain.limits import Hosts
from services.notify.ports import Begin, Tx
from services.notify.ports.deliveries import Channel

CLAIM_SECONDS = 30.0
"""Longer than an attempt may take; what a killed process had claimed is claimed again after this."""
ENDED_AT_ONCE = 5_000

log = telemetry.logger(__name__)


async def claim_deliveries(begin: Begin, hosts: Hosts, vendor: str, owner: str) -> Sequence[Delivery]:
    """Deliveries of the vendor for which there is room now, and whose hosts answer; each is `owner`'s for 30 s and has
    its slot at its host, which `deliver` gives back."""
    room = hosts.room()
    if room <= 0:
        return ()
    while True:
        limits = room, hosts.at_once, hosts.slots(), hosts.place
        async with begin() as tx:
            claimed, hosts.place = await tx.store.deliveries.claim(vendor, owner, CLAIM_SECONDS, *limits)
        if claimed or not hosts.place:
            break
    for delivery in claimed:
        hosts.enter(delivery.host)
    return claimed


async def deliver(begin: Begin, hosts: Hosts, channel: Channel, delivery: Delivery) -> None:
    """Make one attempt and write down how it went, unless the delivery was cancelled meanwhile.

    A process that is killed between the vendor's answer and the commit sends again when the claim has ended; the
    message's collapse key makes one of the two copies.
    """
    try:
        async with begin() as tx:
            push = await tx.store.deliveries.prepare(delivery)
            if isinstance(push, Wait):
                await tx.store.deliveries.give_back(delivery, push.seconds)
        if isinstance(push, Push):
            outcome = Refused("EXPIRED") if push.age > MAX_AGE else await _ask(hosts, channel, delivery.host, push)
            async with begin() as tx:
                end = await _write_down(tx, delivery, push, outcome)
            metrics.pushed.add(1, {"vendor": delivery.vendor, "outcome": end})
    finally:
        hosts.leave(delivery.host)


async def expire_deliveries(begin: Begin) -> int:
    """Give up what has waited for more than a day, in portions, and say how many."""
    expired = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.deliveries.expire(ENDED_AT_ONCE)
        expired += portion
        if not portion:
            return expired


async def delete_old_deliveries(begin: Begin, days: int) -> int:
    """Delete what ended and was written more than `days` days ago, in portions, and say how many."""
    deleted = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.deliveries.delete_ended_before(days, ENDED_AT_ONCE)
        deleted += portion
        if portion < ENDED_AT_ONCE:
            return deleted


async def _ask(hosts: Hosts, channel: Channel, host: str, push: Push) -> Outcome:
    try:
        outcome = await channel.deliver(push)
    except Exception as error:
        # Counted like any other failure: left to its lease it would come back until its day is over. What it says may
        # hold an address, and nothing is known of the host.
        log.error("push_broke", notification_id=push.message.notification_id, host=host, error=type(error).__name__)
        return Retry("ATTEMPT_BROKE")
    if isinstance(outcome, Retry) and outcome.host_failed:
        hosts.failed(host, outcome.after)
    else:
        hosts.answered(host)
    return outcome


async def _write_down(tx: Tx, delivery: Delivery, push: Push, outcome: Outcome) -> str:
    """How the attempt ended, as a word for the metrics."""
    store = tx.store.deliveries
    match outcome:
        case Delivered():
            end, code = "delivered", None
            if await store.hold(delivery):
                await store.end(delivery, "DELIVERED", None)
        case Gone(code):
            # The device first, then what is on its way there: in the order in which a removal takes them.
            end = "gone"
            if not await store.remove_device(delivery, push.address, code):
                # Registered anew meanwhile; or removed, of which `prepare` finds out.
                await store.give_back(delivery, 0.0)
        case Retry(code, after):
            end = await _retry(tx, delivery, push.age, code, after)
        case Refused(code):
            end = "refused"
            if await store.hold(delivery):
                await store.end(delivery, "FAILED", code)
    if code:
        log.info(
            "push_failed",
            delivery_id=delivery.delivery_id,
            vendor=delivery.vendor,
            host=delivery.host,
            outcome=end,
            reason=code,
            attempts=delivery.attempts,
        )
    return end


async def _retry(tx: Tx, delivery: Delivery, age: timedelta, code: str, after: float | None) -> str:
    store = tx.store.deliveries
    if not await store.hold(delivery):
        return "retry"
    wait = next_attempt(delivery.attempts, age, after, random.random())  # noqa: S311 - a jitter
    if wait is None:
        await store.end(delivery, "FAILED", code)
        return "given_up"
    await store.postpone(delivery, wait, code)
    return "retry"
