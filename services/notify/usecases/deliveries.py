"""Brings notifications to devices, through whichever vendor reaches them: the steps of `delivering`."""

import random
from collections.abc import Collection, Sequence
from functools import partial

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.delivery import (
    MAX_AGE,
    Delivery,
    Due,
    Gone,
    Push,
    Refused,
    Retry,
    Tried,
    Verdict,
    Wait,
    judge,
)
from services.notify.domain.turns import Rooms
from services.notify.domain.withdrawal import of_device
from services.notify.ports import Begin, Tx
from services.notify.ports.deliveries import Channel
from services.notify.ports.ways import Way

CLAIM_SECONDS = 30.0
"""Longer than an attempt may take; what a killed process had claimed is claimed again after this."""
REFUSED_AT_ONCE = 5_000

log = telemetry.logger(__name__)


def way_to_devices(begin: Begin, vendor: str, owner: str, channel: Channel) -> Way[Delivery, Due, Tried]:
    """How `owner` brings notifications to the devices of a vendor."""
    return Way(
        f"deliver-{vendor}",
        claim=partial(claim, begin, vendor, owner),
        look_again=partial(look_again, begin),
        send=partial(send, channel),
        write_down=partial(write_down, begin),
    )


async def claim(begin: Begin, vendor: str, owner: str, rooms: Rooms, place: str) -> tuple[Sequence[Delivery], str]:
    """Deliveries of the vendor for which there is room now, the urgent first; each is `owner`'s for 30 s."""
    async with begin() as tx:
        return await tx.store.deliveries.claim(vendor, owner, CLAIM_SECONDS, rooms, place)


async def look_again(begin: Begin, delivery: Delivery) -> Due | None:
    """What is sent, which takes the device's turn; None where it has none now, or nothing is to be sent any more."""
    async with begin() as tx:
        push = await tx.store.deliveries.prepare(delivery)
        if isinstance(push, Wait):
            await tx.store.deliveries.give_back(delivery, push.seconds)
    return Due(delivery, push) if isinstance(push, Push) else None


async def send(channel: Channel, due: Due) -> Tried:
    """Hand it to the vendor, unless it is older than a day."""
    if due.push.age > MAX_AGE:
        return Tried(Refused("EXPIRED"), None)
    try:
        outcome = await channel.deliver(due.push)
    except Exception as error:
        # Counted like any other failure: left to its lease it would come back until its day is over. What it says may
        # hold an address, and nothing is known of the host.
        notification_id, host = due.push.message.notification_id, due.delivery.host
        log.error("push_broke", notification_id=notification_id, host=host, error=type(error).__name__)
        return Tried(Retry("ATTEMPT_BROKE"), None)
    return Tried(outcome, not (isinstance(outcome, Retry) and outcome.host_failed))


async def write_down(begin: Begin, due: Due, tried: Tried) -> None:
    """Write down what an attempt led to, unless the delivery was cancelled meanwhile.

    A process that is killed between the vendor's answer and the commit sends again when the claim has ended; the
    message's collapse key makes one of the two copies.
    """
    delivery = due.delivery
    verdict = judge(due, tried.outcome, random.random())  # noqa: S311 - a jitter
    async with begin() as tx:
        if isinstance(tried.outcome, Gone):
            await _remove_device(tx, due, verdict)
        elif await tx.store.deliveries.hold(delivery):
            await _settle(tx, delivery, verdict)
    metrics.attempted.add(1, {"channel": delivery.vendor, "outcome": verdict.word})
    if verdict.code:
        log.info(
            "push_failed",
            delivery_id=delivery.delivery_id,
            vendor=delivery.vendor,
            host=delivery.host,
            outcome=verdict.word,
            reason=verdict.code,
            attempts=delivery.attempts,
        )


async def vendors_waited_for(begin: Begin, vendors: Collection[str]) -> Sequence[str]:
    """Those of the vendors for which something is pending."""
    async with begin() as tx:
        return await tx.store.deliveries.waited_for(vendors)


async def refuse(begin: Begin, vendor: str) -> None:
    """Give up a portion of what is pending for a vendor without settings: nobody is told late when they come."""
    async with begin() as tx:
        refused = await tx.store.deliveries.refuse(vendor, "CHANNEL_OFF", REFUSED_AT_ONCE)
    metrics.attempted.add(refused, {"channel": vendor, "outcome": "refused"})
    log.info("pushes_refused", vendor=vendor, refused=refused, reason="CHANNEL_OFF")


async def _remove_device(tx: Tx, due: Due, verdict: Verdict) -> None:
    """The device first, then the delivery: in the order in which a removal takes them. What else is on its way there is
    left to who cancels it, because those are locked in the order of their ids, and this one is already."""
    if await tx.store.deliveries.remove_device(due.delivery, due.push.address):
        await tx.store.deliveries.end(due.delivery, verdict.status, verdict.code)
        await tx.store.withdrawals.leave(of_device(due.delivery.device_id, "gone"))
    else:
        # Registered anew meanwhile; or removed, of which `prepare` finds out.
        await tx.store.deliveries.give_back(due.delivery, 0.0)


async def _settle(tx: Tx, delivery: Delivery, verdict: Verdict) -> None:
    if verdict.status == "PENDING":
        await tx.store.deliveries.postpone(delivery, verdict.wait_seconds, verdict.code)
    else:
        await tx.store.deliveries.end(delivery, verdict.status, verdict.code)
