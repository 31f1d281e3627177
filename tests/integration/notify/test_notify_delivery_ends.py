"""Deliveries that end without an attempt: too old, or for a vendor that is off."""

import pytest
from notify_pushes import WEB_PUSH, Scripted, attempt, register, send_to, state

from chassis.postgres import Pool
from services.notify import maintenance
from services.notify.domain.device import Address, Vendor
from services.notify.domain.turns import Turns
from services.notify.ports import Begin
from services.notify.usecases import deliveries


async def test_what_waits_for_a_vendor_without_settings_is_given_up_without_claims_turns_or_attempts(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "REFUSED_AT_ONCE", 2)
    device = await register(begin, "a")
    sent = await send_to(pool, device, 5)
    [other] = await send_to(pool, await register(begin, "", Address(Vendor.FCM, "token", "fcm.googleapis.com")))
    turn = await pool.fetchval("SELECT next_push_at FROM devices WHERE device_id = $1", device.device_id)
    portions = 0
    while waited_for := await deliveries.vendors_waited_for(begin, [Vendor.WEB_PUSH, Vendor.APNS]):
        assert waited_for == [WEB_PUSH]
        await deliveries.refuse(begin, WEB_PUSH)
        portions += 1
    assert portions == 3
    assert {await state(pool, delivery_id) for delivery_id in sent} == {("FAILED", "CHANNEL_OFF", 0)}
    assert await pool.fetchval("SELECT next_push_at FROM devices WHERE device_id = $1", device.device_id) == turn
    assert (await state(pool, other))[0] == "PENDING"


async def test_what_is_older_than_a_day_is_not_sent_any_more(pool: Pool, begin: Begin, turns: Turns) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    await pool.execute("UPDATE deliveries SET created_at = now() - interval '25 hours'")
    channel = Scripted()
    await attempt(begin, turns, channel)
    assert (channel.pushes, await state(pool, sent)) == ([], ("FAILED", "EXPIRED", 1))


async def test_the_job_gives_up_what_waited_for_a_day_and_deletes_what_ended_long_ago(pool: Pool, begin: Begin) -> None:
    device = await register(begin, "a")
    young, old, ended, kept = await send_to(pool, device, 4)
    ages = {young: "23 hours", old: "25 hours", ended: "31 days", kept: "29 days"}
    for delivery_id, age in ages.items():
        await pool.execute(
            "UPDATE deliveries SET created_at = now() - $2::text::interval WHERE delivery_id = $1", delivery_id, age
        )
    query = "UPDATE deliveries SET status = 'DELIVERED', ended_at = now() WHERE delivery_id = ANY ($1)"
    await pool.execute(query, [ended, kept])
    for expected in ((1, 1), (0, 0)):
        told = await maintenance.end_old_deliveries(begin, 30)
        assert (told["expired_deliveries"], told["deleted_deliveries"]) == expected
    assert (await state(pool, young))[0] == "PENDING"
    assert await state(pool, old) == ("FAILED", "EXPIRED", 0)
    assert {row[0] for row in await pool.fetch("SELECT delivery_id FROM deliveries")} == {young, old, kept}


@pytest.mark.parametrize("table", ["notifications", "deliveries", "webhook_deliveries"])
async def test_what_is_old_is_found_without_looking_at_what_is_young(pool: Pool, table: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off")
        rows = await connection.fetch(
            f"EXPLAIN SELECT FROM {table} WHERE created_at < now() - interval '30 days' ORDER BY created_at LIMIT 9"
        )
    plan = "\n".join(row[0] for row in rows)
    assert f"using {table}_created_at" in plan, plan
    assert "Sort" not in plan
