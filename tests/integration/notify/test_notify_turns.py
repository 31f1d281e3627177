"""Whose deliveries are claimed: in turns between hosts, users and devices, whatever waits for one of them."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from uuid import UUID

import pytest
from notify_pushes import (
    WEB_PUSH,
    Scripted,
    attempt,
    claim,
    deliver,
    register,
    send_to,
    turns_for,
)
from scratch import until

from chassis.clock import new_id
from chassis.postgres import Pool
from services.notify.delivering import claiming
from services.notify.domain.device import Device
from services.notify.domain.turns import PATIENCE, Found, Rooms, Turns
from services.notify.ports import Begin
from services.notify.repository import deliveries as pushes
from services.notify.repository import turns as repository
from services.notify.repository.deliveries import IN_TURNS
from services.notify.repository.turns import QUERIES
from services.notify.usecases.deliveries import way_to_devices


def sent_to(host: str) -> Found:
    """A delivery to the host, of nobody else."""
    return Found(new_id(), host, new_id())


async def test_the_urgent_come_before_the_many_and_the_older_first(pool: Pool, begin: Begin) -> None:
    device = await register(begin, "a")
    many = await send_to(pool, device, 3)
    urgent = await send_to(pool, await register(begin, "a"), 2, priority=1)
    claimed = await claim(begin, turns_for(3))
    assert {one.delivery_id for one in claimed} == {*urgent, many[0]}
    other = await send_to(pool, await register(begin, "b"), 1)
    assert {one.delivery_id for one in await claim(begin, turns_for(9))} == {*many[1:], *other}


async def test_a_host_takes_its_share_and_one_that_is_left_alone_nothing(
    pool: Pool, begin: Begin, turns: Turns
) -> None:
    for host in ("a", "b", "c"):
        await send_to(pool, await register(begin, host), 5)
    turns.take(sent_to("b"))
    for _ in range(PATIENCE):
        turns.failed("b")
    claimed = await claim(begin, turns)
    assert sorted(one.host for one in claimed) == ["a"] * 3 + ["c"] * 3
    assert await claim(begin, turns) == []
    for one in claimed:
        turns.leave(one)
    assert sorted(one.host for one in await claim(begin, turns)) == ["a"] * 2 + ["c"] * 2


async def test_a_user_takes_their_share_of_all_hosts_and_the_next_user_what_is_left(pool: Pool, begin: Begin) -> None:
    devices = [await register(begin, host) for host in ("a", "b")]
    devices.append(await register(begin, "a", user_id=devices[1].user_id))
    for device in devices:
        await send_to(pool, device, 9)
    turns = turns_for(20, per_user=4)
    claimed = await claim(begin, turns)
    of_users = Counter(one.user_id for one in claimed)
    assert of_users == {devices[0].user_id: 4, devices[1].user_id: 4}
    assert await claim(begin, turns) == []
    turns.leave(claimed[0])
    assert [one.user_id for one in await claim(begin, turns)] == [claimed[0].user_id]


async def test_many_hosts_are_looked_at_in_turns_and_none_is_left_out(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "HOSTS_LOOKED_AT", 3)
    for number in range(8):
        await send_to(pool, await register(begin, f"host-{number}"), 2)
    turns = turns_for(100, per_host=1)
    claim_next = claiming(way_to_devices(begin, WEB_PUSH, "test", Scripted()), turns)
    first = [one for _ in range(8) for one in await claim_next()]
    assert sorted(one.host for one in first) == [f"host-{number}" for number in range(8)]
    assert await claim_next() == []
    for one in first[:3]:
        turns.leave(one)
    again = [one.host for _ in range(3) for one in await claim_next()]
    assert sorted(again) == sorted(one.host for one in first[:3])


async def test_many_users_of_a_host_are_looked_at_by_chance_and_none_is_left_out(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "USERS_LOOKED_AT", 2)
    devices = [await register(begin, "a") for _ in range(6)]
    for device in devices:
        await send_to(pool, device)
    claim_next = claiming(way_to_devices(begin, WEB_PUSH, "test", Scripted()), turns_for(100))
    seen: set[UUID] = set()

    async def all_are_seen() -> bool:
        claimed = await claim_next()
        assert len(claimed) <= 4, "two users by chance, and two that are due longest"
        seen.update(one.user_id for one in claimed)
        return len(seen) == 6

    await until(all_are_seen)


async def test_what_is_due_is_found_among_many_users_whose_time_has_not_come(pool: Pool, begin: Begin) -> None:
    """As after an outage of a vendor, when everybody waits for the next try."""
    await fill(pool, await register(begin, "a"), due_in=timedelta(hours=1))
    await pool.execute("UPDATE deliveries SET user_id = gen_random_uuid()")
    due = [delivery_id for _ in range(5) for delivery_id in await send_to(pool, await register(begin, "a"))]
    claimed = await claim(begin, turns_for(10))
    assert {one.delivery_id for one in claimed} == {*due}
    assert await pages_read(pool, Rooms(64, {}, 16, {}, 8)) < 20 * repository.USERS_LOOKED_AT, "of 20,000 rows"


async def test_no_user_of_a_host_is_the_last_at_each_claim(pool: Pool, begin: Begin) -> None:
    for device in [await register(begin, "a") for _ in range(4)]:
        await send_to(pool, device, 40)
    first: set[UUID] = set()

    async def each_came_first() -> bool:
        [claimed] = await claim(begin, turns_for(1))
        first.add(claimed.user_id)
        return len(first) == 4

    await until(each_came_first)


async def test_two_that_claim_at_once_never_have_the_same(pool: Pool, begin: Begin) -> None:
    for host in ("a", "b"):
        await send_to(pool, await register(begin, host), 10)
    claims = await asyncio.gather(*(claim(begin, turns_for(6)) for _ in range(6)))
    ids = [one.delivery_id for claimed in claims for one in claimed]
    assert len(ids) == len(set(ids))
    assert ids


async def test_a_device_gets_five_at_once_and_the_others_wait_their_turn(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 8)
    channel = Scripted()
    assert await attempt(begin, turns_for(20), channel) == 8
    assert len(channel.pushes) == 5
    rows = await pool.fetch(
        "SELECT attempts, next_at > now() + interval '9 s' AS waits FROM deliveries WHERE status = 'PENDING'"
    )
    assert [(row["attempts"], row["waits"]) for row in rows] == [(0, True)] * 3
    assert await attempt(begin, turns_for(20), channel) == 0
    await pool.execute("UPDATE devices SET next_push_at = next_push_at - interval '12 s'")
    await pool.execute("UPDATE deliveries SET next_at = now()")
    await attempt(begin, turns_for(20), channel)
    assert len(channel.pushes) == 6


async def test_a_device_with_much_waiting_holds_up_no_other_of_its_host(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 40, priority=1)
    [other] = await send_to(pool, await register(begin, "a"))
    turns = turns_for(8)
    channel = Scripted()
    assert await attempt(begin, turns, channel) == 8
    assert [one.delivery_id for one in await claim(begin, turns)] == [other]
    query = """
        SELECT extract(epoch FROM next_at - lag(next_at) OVER (ORDER BY next_at))::float8 FROM deliveries
        WHERE status = 'PENDING' AND lease_owner IS NULL AND fence = 0 ORDER BY next_at
    """
    gaps = [row[0] for row in await pool.fetch(query)]
    assert gaps == [None, *[pytest.approx(12.0)] * 31]


LARGE = 20_000


async def wait_for_a_device(pool: Pool, device: Device) -> None:
    """A backlog of a device that has no turn: nothing of it is due."""
    await fill(pool, device, due_in=timedelta(hours=1))


async def wait_for_a_user(pool: Pool, device: Device) -> None:
    """A backlog of a user whose share is taken: all of it is due."""
    await fill(pool, device, due_in=timedelta(hours=-1))


async def fill(pool: Pool, device: Device, *, due_in: timedelta) -> None:
    await pool.execute(
        """
        INSERT INTO deliveries (
            delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host, next_at
        )
        SELECT gen_random_uuid(), gen_random_uuid(), $1, 'video_ready', $1, $1, $2, $3, $4, now() + $6::interval
        FROM generate_series(1, $5::int)
        """,
        device.user_id,
        device.device_id,
        device.address.vendor,
        device.address.host,
        LARGE,
        due_in,
    )


async def pages_read(pool: Pool, rooms: Rooms) -> int:
    """How many pages of tables and indexes a claim reads to find what is due."""
    statement = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE find_due ({})".format(
        ", ".join(
            (
                *("''", str(repository.HOSTS_LOOKED_AT), str(rooms.in_all), str(rooms.per_host)),
                *(array(rooms.hosts, "text"), array(rooms.hosts.values(), "int"), str(rooms.per_user)),
                *(array(rooms.users, "uuid"), array(rooms.users.values(), "int"), "0"),
                *(str(repository.USERS_LOOKED_AT), "'{1,0}'", "'web_push'"),
            )
        )
    )
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(QUERIES["go_by_index"])
        await connection.execute(f"PREPARE find_due AS {IN_TURNS.find_due}")
        [[plan]] = await connection.fetch(statement)
        await connection.execute("DEALLOCATE find_due")
    told = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(told["Shared Hit Blocks"] + told["Shared Read Blocks"])


def array(values: Iterable[object], type_: str) -> str:
    return f"ARRAY[{', '.join(repr(str(value)) for value in values)}]::{type_}[]"


@pytest.mark.parametrize("backlog", [wait_for_a_device, wait_for_a_user])
async def test_what_waits_for_a_device_or_a_user_is_passed_over_without_being_read(
    pool: Pool, begin: Begin, backlog: Callable[[Pool, Device], Awaitable[None]]
) -> None:
    busy, others = await register(begin, "a"), [await register(begin, "a") for _ in range(5)]
    await backlog(pool, busy)
    for other in others:
        await send_to(pool, other)
    rooms = Rooms(64, {}, 16, {busy.user_id: 0}, 8)
    async with begin() as tx:
        claimed, _ = await tx.store.deliveries.claim(WEB_PUSH, "test", 30.0, rooms, "")
    assert {one.user_id for one in claimed} == {other.user_id for other in others}
    assert await pages_read(pool, rooms) < 200, "of 20,000 rows that have no turn"


async def test_what_waits_for_a_host_that_is_left_alone_is_passed_over_without_being_read(
    pool: Pool, begin: Begin
) -> None:
    await wait_for_a_user(pool, await register(begin, "dead"))
    await send_to(pool, await register(begin, "well"))
    rooms = Rooms(64, {"dead": 0}, 16, {}, 8)
    async with begin() as tx:
        claimed, _ = await tx.store.deliveries.claim(WEB_PUSH, "test", 30.0, rooms, "")
    assert [one.host for one in claimed] == ["well"]
    assert await pages_read(pool, rooms) < 200, "of 20,000 rows that have no turn"


async def test_a_device_s_backlog_is_put_off_in_portions(
    pool: Pool, begin: Begin, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushes, "POSTPONED_AT_ONCE", 10)
    device = await register(begin, "a")
    await send_to(pool, device, 30)
    await pool.execute("UPDATE devices SET next_push_at = now() + interval '1 hour'")
    [first, *_] = await claim(begin, turns)
    await deliver(begin, turns, Scripted(), first)
    assert await pool.fetchval("SELECT count(*) FROM deliveries WHERE next_at > now()") == 11


async def test_many_hosts_with_much_waiting_are_not_all_read_to_fill_the_room(pool: Pool, begin: Begin) -> None:
    """Also while the planner's statistics say that nothing waits, as when a queue has just filled."""
    await fill(pool, await register(begin, "a"), due_in=timedelta(hours=-1))
    await pool.execute("UPDATE deliveries SET host = 'host-' || (random() * 300)::int, user_id = gen_random_uuid()")
    rooms = Rooms(64, {}, 16, {}, 8)
    async with begin() as tx:
        claimed, place = await tx.store.deliveries.claim(WEB_PUSH, "test", 30.0, rooms, "")
    assert (len(claimed), place != "") == (64, True)
    assert await pages_read(pool, rooms) < 20 * repository.HOSTS_LOOKED_AT, "it reads by the host, not by the row"
