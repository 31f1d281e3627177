"""What is measured of deliveries."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from notify_pushes import (
    WEB_PUSH,
    Scripted,
    attempt,
    claim,
    register,
    send_to,
    turns_for,
)
from opentelemetry.metrics import Observation
from scratch import until
from told import Told

from chassis.clock import utc_now
from chassis.postgres import Pool
from services.notify import metrics
from services.notify.domain.delivery import Gone, Refused, Retry
from services.notify.domain.turns import Turns
from services.notify.domain.webhooks import Endpoint
from services.notify.observe import observe_deliveries
from services.notify.ports import Begin
from services.notify.reads.deliveries import oldest_pending
from services.notify.usecases import webhooks


@asynccontextmanager
async def observing(pool: Pool, turns: Mapping[str, Turns]) -> AsyncIterator[Callable[[], Sequence[metrics.HostSeen]]]:
    """While it observes; what it tells of hosts, once it has told something."""
    told: list[Callable[[], Sequence[metrics.HostSeen]]] = []
    oldest = Told()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "show_hosts", told.append)
        patch.setattr(metrics, "oldest", oldest)
        loop = asyncio.ensure_future(observe_deliveries(pool, turns, seconds=0.05))

        async def is_told() -> bool:
            return bool(oldest.by)

        try:
            await until(is_told)
            yield told[0]
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


async def test_the_age_of_what_waits_longest_is_told_for_every_channel(pool: Pool, begin: Begin) -> None:
    await send_to(pool, await register(begin, "a"), 2)
    await pool.execute("UPDATE deliveries SET created_at = now() - interval '90 s'")
    webhook_id, owner = uuid4(), uuid4()
    async with begin() as tx:
        await webhooks.create(tx, webhook_id, owner, Endpoint("http://a/", "a", (), ""), b"sealed")
        await webhooks.test(tx, uuid4(), webhook_id, owner, utc_now())
    await pool.execute("UPDATE webhook_deliveries SET started_at = now() - interval '60 s'")
    ages = await oldest_pending(pool)
    assert set(ages) == {"web_push", "fcm", "apns", "webhook"}
    assert 90 <= ages["web_push"] < 300
    assert 60 <= ages["webhook"] < 300
    assert ages["fcm"] == 0


async def test_attempts_are_counted_by_how_they_ended(
    pool: Pool, begin: Begin, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempted = Told()
    monkeypatch.setattr(metrics, "attempted", attempted)
    failures = {"gone": Gone("HTTP_410"), "refused": Refused("HTTP_400"), "dead": Retry("TIMEOUT", host_failed=True)}
    for host in ("well", *failures):
        await send_to(pool, await register(begin, host), 3 if host == "dead" else 1)
    await attempt(begin, turns, Scripted(**failures))
    assert attempted.by == {
        ("web_push", "delivered"): 1,
        ("web_push", "gone"): 1,
        ("web_push", "refused"): 1,
        ("web_push", "retry"): 3,
    }


async def test_of_each_channel_it_is_told_what_is_under_way_and_how_many_hosts_are_left_alone(
    pool: Pool, begin: Begin, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, alone = Told(), Told()
    monkeypatch.setattr(metrics, "under_way", under_way)
    monkeypatch.setattr(metrics, "hosts_left_alone", alone)
    await send_to(pool, await register(begin, "dead"), 3)
    await attempt(begin, turns, Scripted(dead=Retry("TIMEOUT", host_failed=True)))
    await send_to(pool, await register(begin, "well"), 2)
    await claim(begin, turns)
    async with observing(pool, {WEB_PUSH: turns, "webhook": turns_for(1)}):
        assert alone.by == {("web_push",): 1, ("webhook",): 0}
        assert under_way.by == {("web_push",): 2, ("webhook",): 0}


async def test_of_each_host_it_is_told_what_is_under_way_what_waits_and_when_it_is_tried_next(
    pool: Pool, begin: Begin, turns: Turns
) -> None:
    await send_to(pool, await register(begin, "dead"), 5)
    await attempt(begin, turns, Scripted(dead=Retry("TIMEOUT", 120.0, host_failed=True)))
    await send_to(pool, await register(begin, "well"), 2)
    await claim(begin, turns)
    async with observing(pool, {WEB_PUSH: turns}) as told:
        dead, well = told()
        assert (dead.channel, dead.host, dead.under_way, dead.waiting) == (WEB_PUSH, "dead", 0, 5)
        assert 60 < dead.seconds_alone <= 120
        assert well == metrics.HostSeen(WEB_PUSH, "well", under_way=2, waiting=2, seconds_alone=0.0)


async def test_no_more_than_ten_hosts_of_a_channel_are_told_and_none_that_is_called_no_more(
    pool: Pool, begin: Begin
) -> None:
    turns = turns_for(100)
    for number in range(12):
        await send_to(pool, await register(begin, f"host-{number}"))
    claimed = await claim(begin, turns)
    async with observing(pool, {WEB_PUSH: turns}) as told:
        assert len(told()) == 10
        for one in claimed:
            turns.leave(one)

        async def nothing_is_told() -> bool:
            return not told()

        await until(nothing_is_told)


def test_what_is_told_of_hosts_is_shown_by_channel_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: dict[str, Callable[[object], Sequence[Observation]]] = {}

    class Meter:
        def create_observable_gauge(
            self, name: str, callbacks: Sequence[Callable[[object], Sequence[Observation]]], **_: str
        ) -> None:
            [shown[name]] = callbacks

    monkeypatch.setattr(metrics, "_meter", Meter())
    metrics.show_hosts(lambda: [metrics.HostSeen("webhook", "a.example", 3, 40, 1.5)])
    labels = {"channel": "webhook", "host": "a.example"}
    assert {name: read(None) for name, read in shown.items()} == {
        "delivery_host_under_way": [Observation(3, labels)],
        "delivery_host_waiting": [Observation(40, labels)],
        "delivery_host_next_try": [Observation(1.5, labels)],
    }
