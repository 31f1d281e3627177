"""The loop that makes deliveries, as `serve` runs it."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from notify_pushes import (
    WEB_PUSH,
    Scripted,
    an_endpoint,
    attempt,
    make_due,
    register,
    send_to,
    state,
    turns_for,
)
from notify_world import apply, claimed, published
from push_receivers import Vendored, web_push
from push_servers import Hang, Reply, always
from scratch import until

from chassis.clock import new_id
from chassis.postgres import Pool
from chassis.work import waking
from services.notify import delivering
from services.notify.channels import asking
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.usecases import fanouts
from services.notify.usecases.deliveries import way_to_devices


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
        await send_to(pool, await register(begin, "", an_endpoint(dead)), 5, priority=1)
        await send_to(pool, await register(begin, "", an_endpoint(well)), 1)
    turns, wake = turns_for(16, per_host=4), asyncio.Event()
    loop = asyncio.ensure_future(
        delivering.deliver(way_to_devices(begin, WEB_PUSH, "test", well.channel), turns, wake=wake, poll_seconds=0.2)
    )
    try:
        delivered = "SELECT count(*) = 40 FROM deliveries WHERE status = 'DELIVERED'"
        await until(lambda: pool.fetchval(delivered))
        assert len(dead.server.seen) <= 4 * 3, "a host that does not answer is tried by one call at a time"
        await until(lambda: pool.fetchval("SELECT count(*) >= 4 FROM deliveries WHERE last_error = 'TIMEOUT'"))
        assert sum(state.seconds_alone > 0 for state in turns.states()) == 1
        assert await pool.fetchval("SELECT count(*) FROM deliveries WHERE status = 'PENDING'") == 200
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
    assert "secret-path" not in caplog.text


async def test_the_work_that_stops_leaves_its_claims_to_their_leases(
    pool: Pool, begin: Begin, two_worlds: tuple[Vendored, Vendored]
) -> None:
    dead, _ = two_worlds
    dead.behaviour = Hang()
    [sent] = await send_to(pool, await register(begin, "", dead.address))
    turns = turns_for(1)
    loop = asyncio.ensure_future(
        delivering.deliver(
            way_to_devices(begin, WEB_PUSH, "test", dead.channel), turns, wake=asyncio.Event(), poll_seconds=0.2
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
    assert await attempt(begin, turns_for(1), dead.channel) == 1
    assert (await state(pool, sent))[0] == "DELIVERED"


async def test_what_a_page_of_a_fanout_brings_is_sent_at_once(pool: Pool, begin: Begin) -> None:
    """Not with the next poll: the loops would look again after a minute."""
    follower = await register(begin, "a")
    channel, wake = Scripted(), asyncio.Event()
    way = way_to_devices(begin, WEB_PUSH, "test", channel)
    loop = asyncio.ensure_future(delivering.deliver(way, turns_for(4), wake=wake, poll_seconds=60))

    async def has_waited() -> bool:
        return not wake.is_set()

    async def is_sent() -> bool:
        return bool(channel.pushes)

    try:
        await until(has_waited)
        await apply(begin, published(new_id()))
        page = await claimed(begin)
        await fanouts.tell_followers(waking(begin, wake), FakeFollowers([follower.user_id]), page)
        await until(is_sent, seconds=10)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
