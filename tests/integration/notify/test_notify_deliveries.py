"""Attempts to bring a notification to a device: how each ends, is tried again, given up or cancelled."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path

import pytest
from notify_pushes import (
    Scripted,
    an_address,
    attempt,
    claim,
    deliver,
    make_due,
    register,
    send_to,
    state,
    turns_for,
)
from push_receivers import Vendored, apns, fcm, web_push
from push_servers import Reply

from chassis.clock import new_id
from chassis.postgres import Pool
from services.notify.domain.delivery import MAX_ATTEMPTS, Delivered, Gone, Outcome, Push, Retry
from services.notify.domain.device import Address, Device, Vendor
from services.notify.domain.turns import Turns
from services.notify.ports import Begin
from services.notify.usecases import devices, withdrawals


async def test_a_delivery_is_made_once_and_written_down(pool: Pool, begin: Begin, turns: Turns) -> None:
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    channel = Scripted()
    assert [await attempt(begin, turns, channel) for _ in range(2)] == [1, 0]
    assert await state(pool, sent) == ("DELIVERED", None, 1)
    [push] = channel.pushes
    assert (push.address, push.message.title) == (device.address, "Title")
    assert turns.under_way() == 0


@pytest.mark.parametrize("vendor", [web_push, fcm, apns])
async def test_what_reaches_a_device_is_delivered_until_the_device_is_gone(
    pool: Pool, begin: Begin, tmp_path: Path, vendor: Callable[[Path], AbstractAsyncContextManager[Vendored]]
) -> None:
    async with vendor(tmp_path) as world:
        device = await register(begin, "", world.address)
        first, second, third = await send_to(pool, device, 3)
        turns = turns_for(1)
        for behaviour in (Reply(), world.says["gone"]):
            world.behaviour = behaviour
            [claimed] = await claim(begin, turns, world.vendor)
            await deliver(begin, turns, world.channel, claimed)
        assert len(world.copies) == 2
        assert world.mistakes == []
    status, reason, attempts = await state(pool, second)
    assert (status, attempts) == ("FAILED", 1)
    assert reason in ("HTTP_410", "UNREGISTERED", "Unregistered")
    [left] = await withdrawals.claim_withdrawals(begin, "one")
    await withdrawals.cancel_what_is_left(begin, left)
    assert [(await state(pool, sent))[0] for sent in (first, third)] == ["DELIVERED", "CANCELLED"]
    assert await pool.fetchval("SELECT count(*) FROM devices") == 0


async def test_a_device_that_is_found_gone_many_times_at_once_and_removed_meanwhile_locks_nobody_out(
    pool: Pool, begin: Begin
) -> None:
    device = await register(begin, "a")
    ids = await send_to(pool, device, 20)
    await pool.execute("UPDATE devices SET next_push_at = now() - interval '1 day'")
    turns = turns_for(20)
    claimed = await claim(begin, turns)
    channel = Scripted(a=Gone("HTTP_410"))
    async with asyncio.timeout(10):
        await asyncio.gather(
            *(deliver(begin, turns, channel, delivery) for delivery in claimed),
            devices.register_device(begin, Device(new_id(), device.user_id, device.address)),
            devices.remove_device(begin, device.device_id, device.user_id),
        )
    assert turns.under_way() == 0
    await attempt(begin, turns, channel)  # finds that the device is gone, for what was being attempted as it went
    assert {(await state(pool, delivery_id))[0] for delivery_id in ids} <= {"CANCELLED", "FAILED"}


async def test_a_device_that_was_registered_anew_meanwhile_stays(pool: Pool, begin: Begin, tmp_path: Path) -> None:
    async with web_push(tmp_path) as world:
        device = await register(begin, "", world.address)
        first, second = await send_to(pool, device, 2)

        async def replaced(push: Push) -> Outcome:
            world.behaviour = world.says["gone"]
            outcome = await world.channel.deliver(push)
            await devices.register_device(begin, Device(device.device_id, device.user_id, an_address("other")))
            return outcome

        channel = Scripted()
        channel.deliver = replaced  # type: ignore[method-assign]
        await attempt(begin, turns_for(1), channel)
    assert await pool.fetchval("SELECT host FROM devices") == "other"
    assert [(await state(pool, sent))[::2] for sent in (first, second)] == [("PENDING", 0)] * 2
    channel = Scripted()
    assert await attempt(begin, turns_for(2), channel) == 2
    assert [push.address.host for push in channel.pushes] == ["other"] * 2


async def test_a_device_that_changed_its_vendor_since_the_claim_is_left_to_that_vendor(
    pool: Pool, begin: Begin, turns: Turns
) -> None:
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    [claimed] = await claim(begin, turns)
    phone = Address(Vendor.FCM, "token-of-a-phone", "fcm.googleapis.com")
    await devices.register_device(begin, Device(device.device_id, device.user_id, phone))
    channel = Scripted()
    turn = await pool.fetchval("SELECT next_push_at FROM devices")
    await deliver(begin, turns, channel, claimed)
    assert (channel.pushes, await pool.fetchval("SELECT next_push_at FROM devices")) == ([], turn)
    [claimed] = await claim(begin, turns, Vendor.FCM)
    await deliver(begin, turns, channel, claimed)
    assert [push.address for push in channel.pushes] == [phone]
    assert await state(pool, sent) == ("DELIVERED", None, 1)


async def test_a_delivery_that_was_written_for_the_vendor_before_goes_to_the_present_one_and_takes_no_turn(
    pool: Pool, begin: Begin, turns: Turns
) -> None:
    """As a page writes it that read the devices just before one was registered anew."""
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    await pool.execute("UPDATE deliveries SET vendor = 'fcm', host = 'fcm.googleapis.com'")
    turn = await pool.fetchval("SELECT next_push_at FROM devices")
    channel = Scripted()
    [claimed] = await claim(begin, turns, Vendor.FCM)
    await deliver(begin, turns, channel, claimed)
    assert await pool.fetchval("SELECT next_push_at FROM devices") == turn
    assert await claim(begin, turns, Vendor.FCM) == []
    assert await attempt(begin, turns, channel) == 1
    assert [push.address for push in channel.pushes] == [device.address]
    assert await state(pool, sent) == ("DELIVERED", None, 1)


async def test_a_failure_is_tried_again_with_growing_gaps_and_given_up_after_eight(pool: Pool, begin: Begin) -> None:
    device = await register(begin, "down")
    [sent] = await send_to(pool, device)
    channel = Scripted(down=Retry("HTTP_503", host_failed=False))
    waits = []
    for _ in range(MAX_ATTEMPTS):
        assert await attempt(begin, turns_for(1), channel) == 1
        query = "SELECT extract(epoch FROM next_at - now())::float8 FROM deliveries WHERE status = 'PENDING'"
        waits.append(await pool.fetchval(query))
        await make_due(pool)
    assert await state(pool, sent) == ("FAILED", "HTTP_503", MAX_ATTEMPTS)
    assert waits.pop() is None
    assert all(later > 2.5 * earlier for earlier, later in pairwise(waits))
    assert 7 < waits[0] <= 10
    assert sum(waits) < 24 * 3600


async def test_an_attempt_that_breaks_is_written_down_and_tried_again(pool: Pool, begin: Begin, turns: Turns) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))

    class Broken:
        async def deliver(self, push: Push) -> Outcome:
            raise OverflowError(push.address.value)

    await attempt(begin, turns, Broken())
    assert await state(pool, sent) == ("PENDING", "ATTEMPT_BROKE", 1)
    assert await pool.fetchval("SELECT lease_owner IS NULL AND next_at > now() FROM deliveries")
    assert turns.under_way() == 0


async def test_retry_after_is_obeyed_and_no_attempt_is_later_than_a_day(pool: Pool, begin: Begin) -> None:
    [soon] = await send_to(pool, await register(begin, "soon"))
    [never] = await send_to(pool, await register(begin, "never"))
    channel = Scripted(soon=Retry("HTTP_429", 3_600.0), never=Retry("HTTP_429", 86_400.0))
    assert await attempt(begin, turns_for(2), channel) == 2
    query = "SELECT extract(epoch FROM next_at - now())::float8 FROM deliveries WHERE delivery_id = $1"
    assert 3_500 < await pool.fetchval(query, soon) <= 3_600
    assert await state(pool, never) == ("FAILED", "HTTP_429", 1)


async def test_what_is_cancelled_before_it_is_sent_is_not_sent(pool: Pool, begin: Begin, turns: Turns) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    [delivery] = await claim(begin, turns)
    await pool.execute("UPDATE deliveries SET status = 'CANCELLED', ended_at = now()")
    channel = Scripted()
    await deliver(begin, turns, channel, delivery)
    assert channel.pushes == []
    assert (await state(pool, sent))[0] == "CANCELLED"


@pytest.mark.parametrize("outcome", [Delivered(), Retry("HTTP_503")], ids=repr)
async def test_what_is_cancelled_while_it_is_sent_stays_cancelled(
    pool: Pool, begin: Begin, turns: Turns, outcome: Outcome
) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))

    class Slow:
        async def deliver(self, push: Push) -> Outcome:
            await pool.execute("UPDATE deliveries SET status = 'CANCELLED', lease_owner = NULL")
            return outcome

    assert await attempt(begin, turns, Slow()) == 1
    assert (await state(pool, sent))[0] == "CANCELLED"


async def test_a_claim_that_was_lost_writes_nothing(pool: Pool, begin: Begin, turns: Turns) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    [old] = await claim(begin, turns)
    await make_due(pool)
    [new] = await claim(begin, turns)
    channel = Scripted()
    await deliver(begin, turns, channel, old)
    assert (channel.pushes, (await state(pool, sent))[0]) == ([], "PENDING")
    await deliver(begin, turns, channel, new)
    assert (await state(pool, sent))[0] == "DELIVERED"


async def test_a_death_between_the_answer_and_the_commit_sends_again_with_the_same_collapse_key(
    pool: Pool, begin: Begin, turns: Turns, tmp_path: Path
) -> None:
    async with web_push(tmp_path) as world:
        [sent] = await send_to(pool, await register(begin, "", world.address))

        class Dying:
            async def deliver(self, push: Push) -> Outcome:
                await world.channel.deliver(push)
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await attempt(begin, turns, Dying())
        assert await attempt(begin, turns, world.channel) == 0, "the claim is still its"
        await make_due(pool)
        assert await attempt(begin, turns, world.channel) == 1
        assert await state(pool, sent) == ("DELIVERED", None, 2)
        first, second = world.copies
        assert first == second


async def test_what_waits_for_another_users_device_is_cancelled(pool: Pool, begin: Begin, turns: Turns) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    await pool.execute("UPDATE devices SET user_id = gen_random_uuid()")
    channel = Scripted()
    await attempt(begin, turns, channel)
    assert (channel.pushes, (await state(pool, sent))[0]) == ([], "CANCELLED")
