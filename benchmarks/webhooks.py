"""How fast webhooks are sent, signed, recorded and claimed, beside a bare loop of httpx to the same receiver."""

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from ipaddress import ip_network
from pathlib import Path
from typing import cast
from uuid import uuid4

import httpx
import uvloop

from benchmarks.measure import Measure
from chassis.clock import utc_now
from chassis.migrations import migrate
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from services.notify.addresses import Rules, open_resolver, open_transport
from services.notify.delivering import deliver
from services.notify.domain.turns import Turns
from services.notify.domain.webhook_events import VideoState, video_event
from services.notify.domain.webhooks import Endpoint
from services.notify.ports import Begin
from services.notify.repository import open_store
from services.notify.usecases import webhook_deliveries, webhooks
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

DELIVERIES = 1_000
AT_ONCE = 16
ROUNDS = 5
RULES = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])


def measure() -> list[Measure]:
    """On PostgreSQL alone, with notify's tables, through the loop that `serve` runs."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory, _receiver() as url:
        home = Path(directory)
        start(home, only_infrastructure=True, with_parent=True)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(attach(home), url))
        finally:
            stop(home)


async def _measure(stack: Stack, url: str) -> list[Measure]:
    await migrate(stack.dsn("notify_owner"), "notify", resources.files("services.notify.migrations"))
    seals, owner, webhook_id = Seals(bytes(32)), uuid4(), uuid4()
    ours, bare = [], []
    async with open_pool(stack.dsn("notify"), application_name="bench") as pool:
        begin = transactions(pool, open_store, lambda: None)
        async with begin() as tx:
            endpoint = Endpoint(url, "receiver", [], "")
            await webhooks.create(tx, webhook_id, owner, endpoint, seals.seal(webhook_id, bytes(32)))
        video = VideoState(str(uuid4()), "A title of usual length", "READY", 5, 1)
        payload = video_event(uuid4(), "video.ready", owner, utc_now(), video).payload
        for _ in range(ROUNDS + 1):
            ours.append(await _deliveries_a_second(pool, begin, seals, webhook_id, payload))
            bare.append(await _posts_a_second(url, payload))
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours[1:], bare[1:], strict=True))
    how = (
        f"{ROUNDS} rounds of {DELIVERIES:,} to one host on this machine by either, {AT_ONCE} at once, after one that "
        f"warms: {statistics.median(ours[1:]):,.0f} deliveries/s, claimed, signed, sent and each attempt recorded, "
        f"{statistics.median(bare[1:]):,.0f} posts/s"
    )
    return [Measure("webhook deliveries/s / bare httpx loop", ratio, "", 0.6, how, at_least=True)]


async def _deliveries_a_second(pool: Pool, begin: Begin, seals: Seals, webhook_id: object, payload: str) -> float:
    await pool.execute(
        "INSERT INTO webhook_deliveries (delivery_id, webhook_id, user_id, host, event_id, event_type, payload)"
        " SELECT gen_random_uuid(), webhook_id, user_id, host, gen_random_uuid(), 'video.ready', $2"
        " FROM webhooks CROSS JOIN generate_series(1, $3::int) WHERE webhook_id = $1",
        webhook_id,
        payload,
        DELIVERIES,
    )
    await pool.execute("ANALYZE webhook_deliveries")
    async with open_resolver() as resolve, open_transport(RULES, resolve) as transport:
        send = sender(transport, seals.unseal, utc_now)
        way = webhook_deliveries.way_to_webhooks(begin, "bench", send, failing_seconds=3 * 24 * 3600.0)
        turns = Turns(in_all=256, per_host=AT_ONCE, per_user=64)
        began = time.perf_counter()
        sending = asyncio.create_task(deliver(way, turns, wake=asyncio.Event()))
        async with asyncio.timeout(120):
            while await pool.fetchval("SELECT EXISTS (SELECT FROM webhook_deliveries WHERE status = 'PENDING')"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        seconds = time.perf_counter() - began
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    delivered = await pool.fetchval("SELECT count(*) FROM webhook_deliveries WHERE status = 'DELIVERED'")
    assert delivered % DELIVERIES == 0, "every delivery succeeds"
    return DELIVERIES / seconds


async def _posts_a_second(url: str, payload: str) -> float:
    left = iter(range(DELIVERIES))

    async def post(client: httpx.AsyncClient) -> None:
        for _ in left:
            reply = await client.post(url, content=payload, headers={"content-type": "application/json"})
            assert reply.status_code == 204

    async with httpx.AsyncClient() as client:
        began = time.perf_counter()
        await asyncio.gather(*(post(client) for _ in range(AT_ONCE)))
        return DELIVERIES / (time.perf_counter() - began)


@contextmanager
def _receiver() -> Iterator[str]:
    """A process that answers 204 to everything; its URL."""
    command = [sys.executable, "-m", "benchmarks.webhooks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/hooks"
        finally:
            process.terminate()


class _Answers(asyncio.Protocol):
    """Each request comes in one or two pieces; the end of its body is that of the JSON."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answers, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
