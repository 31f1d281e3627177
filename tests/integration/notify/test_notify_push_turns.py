"""How often a user is pushed to, whatever the number of devices."""

from dataclasses import fields
from uuid import UUID, uuid4

from notify_world import add_device, apply, came_to

from chassis.postgres import Pool
from services.notify.domain.allowances import PUSHES
from services.notify.domain.delivery import Delivery, Push, Wait
from services.notify.ports import Begin

CLAIM = """
UPDATE deliveries SET lease_owner = 'test', lease_until = now() + interval '1 minute', fence = fence + 1
WHERE user_id = $1 AND status = 'PENDING'
RETURNING *
"""


async def told(pool: Pool, begin: Begin, owner: UUID, devices: int) -> list[Delivery]:
    """What is on its way to so many new devices of the user, claimed."""
    for _ in range(devices):
        await add_device(pool, owner, "web_push")
    await apply(begin, came_to("READY", owner=owner))
    rows = await pool.fetch(CLAIM, owner)
    return [Delivery(**{field.name: row[field.name] for field in fields(Delivery)}) for row in rows]


async def prepared(begin: Begin, deliveries: list[Delivery]) -> list[Push | Wait | None]:
    found = []
    for delivery in deliveries:
        async with begin() as tx:
            found.append(await tx.store.deliveries.prepare(delivery))
    return found


async def used(pool: Pool, owner: UUID, seconds: float) -> None:
    """As if the user had been pushed to so much that the allowance is ahead of its interval by this."""
    query = (
        "INSERT INTO allowance_uses (subject_id, allowance, next_at) VALUES ($1, 'pushes', now() + $2 * interval '1 s')"
    )
    await pool.execute(query, owner, seconds)


async def test_a_user_is_pushed_to_so_often_whatever_the_devices_and_others_are_not_delayed(
    pool: Pool, begin: Begin
) -> None:
    alice, bob = uuid4(), uuid4()
    # All but three turns are used; a second is for the test to pass.
    await used(pool, alice, PUSHES.ahead_seconds - 2 * PUSHES.every_seconds - 1)
    outcomes = await prepared(begin, await told(pool, begin, alice, 6))
    assert [type(outcome) for outcome in outcomes] == [Push] * 3 + [Wait] * 3
    waits = [outcome.seconds for outcome in outcomes if isinstance(outcome, Wait)]
    assert all(1.0 <= wait <= PUSHES.every_seconds for wait in waits)
    [of_bob] = await prepared(begin, await told(pool, begin, bob, 1))
    assert isinstance(of_bob, Push)


async def test_who_waits_for_a_turn_uses_none_of_the_device(pool: Pool, begin: Begin) -> None:
    alice = uuid4()
    await used(pool, alice, PUSHES.ahead_seconds + PUSHES.every_seconds)
    [waiting] = await told(pool, begin, alice, 1)
    for _ in range(10):
        assert [type(outcome) for outcome in await prepared(begin, [waiting])] == [Wait]
    await pool.execute("UPDATE allowance_uses SET next_at = now()")
    assert [type(outcome) for outcome in await prepared(begin, [waiting])] == [Push]


async def test_a_device_without_a_turn_uses_none_of_the_user(pool: Pool, begin: Begin) -> None:
    alice = uuid4()
    [waiting] = await told(pool, begin, alice, 1)
    await pool.execute("UPDATE devices SET next_push_at = now() + interval '1 hour'")
    assert [type(outcome) for outcome in await prepared(begin, [waiting])] == [Wait]
    assert await pool.fetchval("SELECT count(*) FROM allowance_uses") == 0
