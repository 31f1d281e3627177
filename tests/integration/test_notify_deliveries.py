"""Deliveries on their way to devices: claimed from host to host, sent, tried again, given up, cancelled."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from push_receivers import Vendored, apns, fcm, web_push
from push_servers import Hang, Reply, always
from scratch import Scratch, until

from chassis.clock import new_id
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from services.notify import maintenance, metrics
from services.notify.apart import work_apart
from services.notify.channels import asking
from services.notify.channels.off import Off
from services.notify.domain.delivery import MAX_ATTEMPTS, Delivered, Delivery, Gone, Outcome, Push, Refused, Retry
from services.notify.domain.device import Address, Device, PushKeys, Vendor
from services.notify.domain.limits import PATIENCE, Hosts
from services.notify.observe import observe_deliveries
from services.notify.ports import Begin
from services.notify.ports.deliveries import Channel
from services.notify.reads.deliveries import oldest_pending
from services.notify.repository import deliveries as repository
from services.notify.repository import open_store
from services.notify.usecases import deliveries, devices

WEB_PUSH = "web_push"


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.notify.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, open_store, lambda: None)


@pytest.fixture
def hosts() -> Hosts:
    return Hosts(in_all=10, at_once=3)


class Scripted:
    """A channel that answers by the host, and notes what it was asked."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.outcomes = outcomes
        self.pushes: list[Push] = []

    async def deliver(self, push: Push) -> Outcome:
        self.pushes.append(push)
        return self.outcomes.get(push.address.host, Delivered())


async def register(begin: Begin, host: str, address: Address | None = None, user_id: UUID | None = None) -> Device:
    device = Device(new_id(), user_id or new_id(), address or an_address(host))
    await devices.register_device(begin, device)
    return device


def an_address(host: str) -> Address:
    return Address(Vendor.WEB_PUSH, f"https://{host}/{new_id()}", host, PushKeys("", ""))


async def send_to(pool: Pool, device: Device, count: int = 1, priority: int = 0) -> list[UUID]:
    """Notifications to the device's user, each with a delivery that is due; the ids of the deliveries."""
    ids = []
    for _ in range(count):
        delivery_id, notification_id, video_id = new_id(), new_id(), new_id()
        await pool.execute(
            """
            INSERT INTO notifications (
                notification_id, user_id, kind, subject, title, body, video_id, actor_user_id
            ) VALUES ($1, $2, 'video_ready', $3::uuid::text, 'Title', 'Body', $3, $2)
            """,
            notification_id,
            device.user_id,
            video_id,
        )
        await pool.execute(
            """
            INSERT INTO deliveries (
                delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host, priority
            ) VALUES ($1, $2, $3, 'video_ready', $4, $3, $5, $6, $7, $8)
            """,
            delivery_id,
            notification_id,
            device.user_id,
            video_id,
            device.device_id,
            device.address.vendor,
            device.address.host,
            priority,
        )
        ids.append(delivery_id)
    return ids


async def claim(begin: Begin, hosts: Hosts) -> list[Delivery]:
    return list(await deliveries.claim_deliveries(begin, hosts, WEB_PUSH, "test"))


async def attempt(begin: Begin, hosts: Hosts, channel: Channel) -> int:
    """One attempt at all that may be sent now; how many they were."""
    claimed = await claim(begin, hosts)
    for delivery in claimed:
        await deliveries.deliver(begin, hosts, channel, delivery)
    return len(claimed)


async def state(pool: Pool, delivery_id: UUID) -> tuple[str, str | None, int]:
    """Status, last error and attempts."""
    row = await pool.fetchrow("SELECT status, last_error, attempts FROM deliveries WHERE delivery_id = $1", delivery_id)
    assert row
    return row["status"], row["last_error"], row["attempts"]


async def make_due(pool: Pool) -> None:
    """Let time pass until everything may be tried again."""
    await pool.execute("UPDATE deliveries SET next_at = now(), lease_until = least(lease_until, now())")
    await pool.execute("UPDATE devices SET next_push_at = now()")


async def test_a_delivery_is_made_once_and_written_down(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    channel = Scripted()
    assert [await attempt(begin, hosts, channel) for _ in range(2)] == [1, 0]
    assert await state(pool, sent) == ("DELIVERED", None, 1)
    [push] = channel.pushes
    assert (push.address, push.message.title) == (device.address, "Title")
    assert hosts.room() == hosts.in_all


async def test_the_urgent_come_before_the_many_and_the_older_first(pool: Pool, begin: Begin) -> None:
    many = await send_to(pool, await register(begin, "a"), 3)
    urgent = await send_to(pool, await register(begin, "a"), 2, priority=10)
    other = await send_to(pool, await register(begin, "b"), 1)
    claimed = await claim(begin, Hosts(in_all=3, at_once=3))
    assert [one.delivery_id for one in claimed if one.delivery_id in urgent]
    assert {one.delivery_id for one in claimed} == {*urgent, many[0]}
    assert {one.delivery_id for one in await claim(begin, Hosts(in_all=9, at_once=9))} == {*many[1:], *other}


async def test_a_host_takes_its_share_and_one_that_is_left_alone_nothing(
    pool: Pool, begin: Begin, hosts: Hosts
) -> None:
    for host in ("a", "b", "c"):
        await send_to(pool, await register(begin, host), 5)
    hosts.enter("b")
    for _ in range(PATIENCE):
        hosts.failed("b")
    claimed = await claim(begin, hosts)
    assert sorted(one.host for one in claimed) == ["a"] * 3 + ["c"] * 3
    assert await claim(begin, hosts) == []
    for one in claimed:
        hosts.leave(one.host)
    assert sorted(one.host for one in await claim(begin, hosts)) == ["a"] * 2 + ["c"] * 2


async def test_many_hosts_are_looked_at_in_turns_and_none_is_left_out(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "HOSTS_LOOKED_AT", 3)
    for number in range(8):
        await send_to(pool, await register(begin, f"host-{number}"), 2)
    hosts = Hosts(in_all=100, at_once=1)
    turns = [[one.host for one in await claim(begin, hosts)] for _ in range(3)]
    assert [len(turn) for turn in turns] == [3, 3, 2]
    assert len({host for turn in turns for host in turn}) == 8
    for turn in turns[:2]:
        for host in turn:
            hosts.leave(host)
    assert sorted(one.host for one in await claim(begin, hosts)) == sorted(turns[0])
    for host in turns[2]:
        hosts.leave(host)
    assert [one.host for one in await claim(begin, hosts)] == sorted(turns[1])
    assert [one.host for one in await claim(begin, hosts)] == sorted(turns[2])
    assert await claim(begin, hosts) == []


async def test_two_that_claim_at_once_never_have_the_same(pool: Pool, begin: Begin) -> None:
    for host in ("a", "b"):
        await send_to(pool, await register(begin, host), 10)
    claims = await asyncio.gather(*(claim(begin, Hosts(in_all=6, at_once=6)) for _ in range(6)))
    ids = [one.delivery_id for claimed in claims for one in claimed]
    assert len(ids) == len(set(ids))
    assert ids


@pytest.mark.parametrize("vendor", [web_push, fcm, apns])
async def test_what_reaches_a_device_is_delivered_until_the_device_is_gone(
    pool: Pool, begin: Begin, tmp_path: Path, vendor: Callable[[Path], AbstractAsyncContextManager[Vendored]]
) -> None:
    async with vendor(tmp_path) as world:
        device = await register(begin, "", world.address)
        first, second, third = await send_to(pool, device, 3)
        hosts = Hosts(in_all=1, at_once=1)
        for behaviour in (Reply(), world.says["gone"]):
            world.behaviour = behaviour
            [claimed] = await deliveries.claim_deliveries(begin, hosts, world.vendor, "test")
            await deliveries.deliver(begin, hosts, world.channel, claimed)
        assert len(world.copies) == 2
        assert world.mistakes == []
    status, reason, attempts = await state(pool, second)
    assert (status, attempts) == ("FAILED", 1)
    assert reason in ("HTTP_410", "UNREGISTERED", "Unregistered")
    assert [(await state(pool, sent))[0] for sent in (first, third)] == ["DELIVERED", "CANCELLED"]
    assert await pool.fetchval("SELECT count(*) FROM devices") == 0


async def test_a_device_that_is_found_gone_many_times_at_once_and_removed_meanwhile_locks_nobody_out(
    pool: Pool, begin: Begin
) -> None:
    device = await register(begin, "a")
    ids = await send_to(pool, device, 20)
    await pool.execute("UPDATE devices SET next_push_at = now() - interval '1 day'")
    hosts = Hosts(in_all=20, at_once=20)
    claimed = await claim(begin, hosts)
    channel = Scripted(a=Gone("HTTP_410"))
    async with asyncio.timeout(10):
        await asyncio.gather(
            *(deliveries.deliver(begin, hosts, channel, delivery) for delivery in claimed),
            devices.register_device(begin, Device(new_id(), device.user_id, device.address)),
            devices.remove_device(begin, device.device_id, device.user_id),
        )
    assert hosts.room() == 20
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
        await attempt(begin, Hosts(in_all=1, at_once=1), channel)
    assert await pool.fetchval("SELECT host FROM devices") == "other"
    assert [(await state(pool, sent))[::2] for sent in (first, second)] == [("PENDING", 0)] * 2
    channel = Scripted()
    assert await attempt(begin, Hosts(in_all=2, at_once=2), channel) == 2
    assert [push.address.host for push in channel.pushes] == ["other"] * 2


async def test_a_device_that_changed_its_vendor_since_the_claim_is_left_to_that_vendor(
    pool: Pool, begin: Begin, hosts: Hosts
) -> None:
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    [claimed] = await claim(begin, hosts)
    phone = Address(Vendor.FCM, "token-of-a-phone", "fcm.googleapis.com")
    await devices.register_device(begin, Device(device.device_id, device.user_id, phone))
    channel = Scripted()
    turn = await pool.fetchval("SELECT next_push_at FROM devices")
    await deliveries.deliver(begin, hosts, channel, claimed)
    assert (channel.pushes, await pool.fetchval("SELECT next_push_at FROM devices")) == ([], turn)
    [claimed] = await deliveries.claim_deliveries(begin, hosts, Vendor.FCM, "test")
    await deliveries.deliver(begin, hosts, channel, claimed)
    assert [push.address for push in channel.pushes] == [phone]
    assert await state(pool, sent) == ("DELIVERED", None, 1)


async def test_a_delivery_that_was_written_for_the_vendor_before_goes_to_the_present_one_and_takes_no_turn(
    pool: Pool, begin: Begin, hosts: Hosts
) -> None:
    """As a page writes it that read the devices just before one was registered anew."""
    device = await register(begin, "a")
    [sent] = await send_to(pool, device)
    await pool.execute("UPDATE deliveries SET vendor = 'fcm', host = 'fcm.googleapis.com'")
    turn = await pool.fetchval("SELECT next_push_at FROM devices")
    channel = Scripted()
    [claimed] = await deliveries.claim_deliveries(begin, hosts, Vendor.FCM, "test")
    await deliveries.deliver(begin, hosts, channel, claimed)
    assert await pool.fetchval("SELECT next_push_at FROM devices") == turn
    assert await deliveries.claim_deliveries(begin, hosts, Vendor.FCM, "test") == []
    assert await attempt(begin, hosts, channel) == 1
    assert [push.address for push in channel.pushes] == [device.address]
    assert await state(pool, sent) == ("DELIVERED", None, 1)


async def test_a_failure_is_tried_again_with_growing_gaps_and_given_up_after_eight(pool: Pool, begin: Begin) -> None:
    device = await register(begin, "down")
    [sent] = await send_to(pool, device)
    channel = Scripted(down=Retry("HTTP_503", host_failed=False))
    waits = []
    for _ in range(MAX_ATTEMPTS):
        assert await attempt(begin, Hosts(in_all=1, at_once=1), channel) == 1
        query = "SELECT extract(epoch FROM next_at - now())::float8 FROM deliveries WHERE status = 'PENDING'"
        waits.append(await pool.fetchval(query))
        await make_due(pool)
    assert await state(pool, sent) == ("FAILED", "HTTP_503", MAX_ATTEMPTS)
    assert waits.pop() is None
    assert all(later > 2.5 * earlier for earlier, later in pairwise(waits))
    assert 7 < waits[0] <= 10
    assert sum(waits) < 24 * 3600


async def test_an_attempt_that_breaks_is_written_down_and_tried_again(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))

    class Broken:
        async def deliver(self, push: Push) -> Outcome:
            raise OverflowError(push.address.value)

    await attempt(begin, hosts, Broken())
    assert await state(pool, sent) == ("PENDING", "ATTEMPT_BROKE", 1)
    assert await pool.fetchval("SELECT lease_owner IS NULL AND next_at > now() FROM deliveries")
    assert hosts.room() == hosts.in_all


async def test_retry_after_is_obeyed_and_no_attempt_is_later_than_a_day(pool: Pool, begin: Begin) -> None:
    [soon] = await send_to(pool, await register(begin, "soon"))
    [never] = await send_to(pool, await register(begin, "never"))
    channel = Scripted(soon=Retry("HTTP_429", 3_600.0), never=Retry("HTTP_429", 86_400.0))
    assert await attempt(begin, Hosts(in_all=2, at_once=2), channel) == 2
    query = "SELECT extract(epoch FROM next_at - now())::float8 FROM deliveries WHERE delivery_id = $1"
    assert 3_500 < await pool.fetchval(query, soon) <= 3_600
    assert await state(pool, never) == ("FAILED", "HTTP_429", 1)


async def test_what_is_cancelled_before_it_is_sent_is_not_sent(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    [delivery] = await claim(begin, hosts)
    await pool.execute("UPDATE deliveries SET status = 'CANCELLED', ended_at = now()")
    channel = Scripted()
    await deliveries.deliver(begin, hosts, channel, delivery)
    assert channel.pushes == []
    assert (await state(pool, sent))[0] == "CANCELLED"


@pytest.mark.parametrize("outcome", [Delivered(), Retry("HTTP_503")], ids=repr)
async def test_what_is_cancelled_while_it_is_sent_stays_cancelled(
    pool: Pool, begin: Begin, hosts: Hosts, outcome: Outcome
) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))

    class Slow:
        async def deliver(self, push: Push) -> Outcome:
            await pool.execute("UPDATE deliveries SET status = 'CANCELLED', lease_owner = NULL")
            return outcome

    assert await attempt(begin, hosts, Slow()) == 1
    assert (await state(pool, sent))[0] == "CANCELLED"


async def test_a_claim_that_was_lost_writes_nothing(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    [old] = await claim(begin, hosts)
    await make_due(pool)
    [new] = await claim(begin, hosts)
    channel = Scripted()
    await deliveries.deliver(begin, hosts, channel, old)
    assert (channel.pushes, (await state(pool, sent))[0]) == ([], "PENDING")
    await deliveries.deliver(begin, hosts, channel, new)
    assert (await state(pool, sent))[0] == "DELIVERED"


async def test_a_death_between_the_answer_and_the_commit_sends_again_with_the_same_collapse_key(
    pool: Pool, begin: Begin, hosts: Hosts, tmp_path: Path
) -> None:
    async with web_push(tmp_path) as world:
        [sent] = await send_to(pool, await register(begin, "", world.address))

        class Dying:
            async def deliver(self, push: Push) -> Outcome:
                await world.channel.deliver(push)
                raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await attempt(begin, hosts, Dying())
        assert await attempt(begin, hosts, world.channel) == 0, "the claim is still its"
        await make_due(pool)
        assert await attempt(begin, hosts, world.channel) == 1
        assert await state(pool, sent) == ("DELIVERED", None, 2)
        first, second = world.copies
        assert first == second


async def test_a_device_gets_five_at_once_and_the_others_wait_their_turn(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 8)
    channel = Scripted()
    assert await attempt(begin, Hosts(in_all=20, at_once=20), channel) == 8
    assert len(channel.pushes) == 5
    rows = await pool.fetch(
        "SELECT attempts, next_at > now() + interval '9 s' AS waits FROM deliveries WHERE status = 'PENDING'"
    )
    assert [(row["attempts"], row["waits"]) for row in rows] == [(0, True)] * 3
    assert await attempt(begin, Hosts(in_all=20, at_once=20), channel) == 0
    await pool.execute("UPDATE devices SET next_push_at = next_push_at - interval '12 s'")
    await pool.execute("UPDATE deliveries SET next_at = now()")
    await attempt(begin, Hosts(in_all=20, at_once=20), channel)
    assert len(channel.pushes) == 6


async def test_a_device_with_much_waiting_holds_up_no_other_of_its_host(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 40, priority=10)
    [other] = await send_to(pool, await register(begin, "a"))
    hosts = Hosts(in_all=8, at_once=8)
    channel = Scripted()
    assert await attempt(begin, hosts, channel) == 8
    assert [one.delivery_id for one in await claim(begin, hosts)] == [other]
    query = """
        SELECT extract(epoch FROM next_at - lag(next_at) OVER (ORDER BY next_at))::float8 FROM deliveries
        WHERE status = 'PENDING' AND lease_owner IS NULL AND fence = 0 ORDER BY next_at
    """
    gaps = [row[0] for row in await pool.fetch(query)]
    assert gaps == [None, *[pytest.approx(12.0)] * 31]


async def test_what_waits_for_another_users_device_is_cancelled(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    await pool.execute("UPDATE devices SET user_id = gen_random_uuid()")
    channel = Scripted()
    await attempt(begin, hosts, channel)
    assert (channel.pushes, (await state(pool, sent))[0]) == ([], "CANCELLED")


async def test_a_vendor_without_settings_takes_nothing_and_nothing_waits(
    pool: Pool, begin: Begin, hosts: Hosts
) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    await attempt(begin, hosts, Off())
    assert await state(pool, sent) == ("FAILED", "CHANNEL_OFF", 1)


async def test_what_is_older_than_a_day_is_not_sent_any_more(pool: Pool, begin: Begin, hosts: Hosts) -> None:
    [sent] = await send_to(pool, await register(begin, "a"))
    await pool.execute("UPDATE deliveries SET created_at = now() - interval '25 hours'")
    channel = Scripted()
    await attempt(begin, hosts, channel)
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


async def test_the_age_of_what_waits_longest_is_told_for_every_vendor(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 2)
    await pool.execute("UPDATE deliveries SET created_at = now() - interval '90 s'")
    ages = await oldest_pending(pool)
    assert set(ages) == {"web_push", "fcm", "apns"}
    assert 90 <= ages["web_push"] < 300
    assert ages["fcm"] == 0


class Told:
    """What a counter or a gauge was told, by its attributes."""

    def __init__(self) -> None:
        self.by: dict[tuple[str, ...], float] = {}

    def add(self, amount: int, attributes: dict[str, str]) -> None:
        key = tuple(attributes.values())
        self.by[key] = self.by.get(key, 0) + amount

    def set(self, value: float, attributes: dict[str, str]) -> None:
        self.by[tuple(attributes.values())] = value


async def test_metrics_tell_how_attempts_end_what_waits_and_which_hosts_are_left_alone(
    pool: Pool, begin: Begin, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed, oldest, alone = Told(), Told(), Told()
    monkeypatch.setattr(metrics, "pushed", pushed)
    monkeypatch.setattr(metrics, "oldest_push", oldest)
    monkeypatch.setattr(metrics, "hosts_left_alone", alone)
    failures = {"gone": Gone("HTTP_410"), "refused": Refused("HTTP_400"), "dead": Retry("TIMEOUT", host_failed=True)}
    for host in ("well", *failures):
        await send_to(pool, await register(begin, host), 3 if host == "dead" else 1)
    await attempt(begin, hosts, Scripted(**failures))
    assert pushed.by == {
        ("web_push", "delivered"): 1,
        ("web_push", "gone"): 1,
        ("web_push", "refused"): 1,
        ("web_push", "retry"): 3,
    }
    observing = asyncio.ensure_future(observe_deliveries(pool, {WEB_PUSH: hosts, "fcm": Hosts(in_all=1, at_once=1)}))
    try:

        async def is_told() -> bool:
            return bool(oldest.by)

        await until(is_told)
    finally:
        observing.cancel()
        await asyncio.gather(observing, return_exceptions=True)
    assert alone.by == {("web_push",): 1, ("fcm",): 0}
    assert oldest.by["web_push",] > 0
    assert oldest.by["fcm",] == oldest.by["apns",] == 0


@pytest.fixture
async def two_worlds(tmp_path: Path) -> AsyncIterator[tuple[Vendored, Vendored]]:
    paths = [tmp_path / name for name in ("dead", "well")]
    for path in paths:
        path.mkdir()
    async with web_push(paths[0], tls=False) as dead, web_push(paths[1], tls=False) as well:
        yield dead, well


async def test_a_host_that_hangs_does_not_hold_up_the_others(
    pool: Pool,
    begin: Begin,
    two_worlds: tuple[Vendored, Vendored],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The loop as `serve` runs it: 200 wait for a dead host, and 40 for one that is well arrive meanwhile."""
    caplog.set_level(logging.INFO, "nextplay")
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 3.0)
    dead, well = two_worlds
    dead.server.answer = always(Hang())
    for _ in range(40):
        await send_to(pool, await register(begin, "", an_endpoint(dead)), 5, priority=10)
        await send_to(pool, await register(begin, "", an_endpoint(well)), 1)
    hosts, wake = Hosts(in_all=16, at_once=4), asyncio.Event()
    loop = asyncio.ensure_future(
        work_apart(
            "deliver",
            partial(deliveries.claim_deliveries, begin, hosts, WEB_PUSH, "test"),
            partial(deliveries.deliver, begin, hosts, well.channel),
            wake=wake,
            poll_seconds=0.2,
        )
    )
    try:
        delivered = "SELECT count(*) = 40 FROM deliveries WHERE status = 'DELIVERED'"
        await until(lambda: pool.fetchval(delivered))
        assert len(dead.server.seen) <= 4 * 3, "a host that does not answer is tried by one call at a time"
        await until(lambda: pool.fetchval("SELECT count(*) >= 4 FROM deliveries WHERE last_error = 'TIMEOUT'"))
        assert hosts.waiting() == 1
        assert await pool.fetchval("SELECT count(*) FROM deliveries WHERE status = 'PENDING'") == 200
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert "secret-path" not in caplog.text


def an_endpoint(world: Vendored) -> Address:
    """Another subscription of the same browser."""
    address = world.address
    return Address(address.vendor, f"{address.value}?{new_id()}", address.host, address.keys)


async def test_the_work_that_stops_leaves_its_claims_to_their_leases(
    pool: Pool, begin: Begin, two_worlds: tuple[Vendored, Vendored]
) -> None:
    dead, _ = two_worlds
    dead.behaviour = Hang()
    [sent] = await send_to(pool, await register(begin, "", dead.address))
    hosts = Hosts(in_all=1, at_once=1)
    loop = asyncio.ensure_future(
        work_apart(
            "deliver",
            partial(deliveries.claim_deliveries, begin, hosts, WEB_PUSH, "test"),
            partial(deliveries.deliver, begin, hosts, dead.channel),
            wake=asyncio.Event(),
        )
    )

    async def is_sent() -> bool:
        return bool(dead.server.seen)

    await until(is_sent)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert await state(pool, sent) == ("PENDING", None, 1)
    dead.behaviour = Reply()
    await make_due(pool)
    assert await attempt(begin, Hosts(in_all=1, at_once=1), dead.channel) == 1
    assert (await state(pool, sent))[0] == "DELIVERED"
