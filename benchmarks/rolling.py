"""Replacing every instance of everything, one after the other, while requests come: none may be lost."""

import asyncio
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import uvloop

from benchmarks.load import request
from benchmarks.measure import Measure
from benchmarks.steady import Balancer, Sent, drive
from deploy.local.identity import user_id
from deploy.local.lifecycle import start, stop
from deploy.local.ports import free_port
from deploy.local.process import Process
from deploy.local.readiness import answers
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from deploy.local.values import read_values
from deploy.local.watch import Watch, end, kept_running
from deploy.local.workloads import python

RATE = 200.0
LAG_SECONDS, DRAIN_SECONDS = 3.0, 5.0
"""For how long a gateway that was told to stop still gets connections (in a cluster mostly one or two), and how long
it answers, as the chart sets it."""
APART_SECONDS = 2.0
"""Between a start and the next stop: callers look every half second for an instance that was away. `minReadySeconds` of
the chart is longer, because in a cluster names have to tell of it too."""
USERS = 20
SETTLE_SECONDS = 3.0
ANNOUNCEMENT = {"title": "A clip", "category": "sports", "filename": "clip.mp4", "content_type": "video/mp4"}
BYTES = 10_000_000


def measure() -> list[Measure]:
    """Two instances of every service, and two gateways behind a balancer."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, shape=Shape(scale=2), with_parent=True)
        try:
            services = [one for name in read_values().workloads if name != "gateway" for one in (name, f"{name}-2")]
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                sent = runner.run(replaced_under_load(attach(home), services, rate=RATE))
        finally:
            stop(home)
    quantiles = statistics.quantiles(sent.seconds, n=100)
    how = (
        f"of {len(sent.seconds) + sent.failed.total():,} requests, {sent.rate:.0f} a second, a third of them writes, "
        f"while {len(services)} instances of services and both gateways were told to stop and started again, one after "
        f"the other; a gateway got connections for {LAG_SECONDS:g} s more. Half was answered within "
        f"{quantiles[49] * 1000:.0f} ms, 99 % within {quantiles[98] * 1000:.0f} ms"
    )
    told = "".join(f"; {times} times {what}" for what, times in sent.failed.most_common())
    return [Measure("requests lost in a rolling restart", sent.failed.total(), "", 0, how + told)]


async def replaced_under_load(stack: Stack, services: Sequence[str], *, rate: float) -> Sent:
    """What becomes of requests while the named instances, and then two gateways, are stopped and started again."""
    async with kept_running([_gateway(stack), _gateway(stack)], stack.home) as gateways:
        balancer, stopping = Balancer([int(gateway.process.name) for gateway in gateways]), asyncio.Event()
        load = asyncio.create_task(drive(balancer, await _requests(stack), rate, stopping))
        try:
            await asyncio.sleep(SETTLE_SECONDS)
            for name in services:
                await asyncio.to_thread(stack.hold, name)
                await asyncio.to_thread(stack.release, name)
                await asyncio.sleep(APART_SECONDS)
            for gateway in gateways:
                await _replace(gateway, balancer)
                await asyncio.sleep(APART_SECONDS)
        finally:
            stopping.set()
            sent = await load
    return sent


def _gateway(stack: Stack) -> Process:
    """One beside the platform's, which has the name of its port."""
    port = free_port(stack.ports.values())
    binds = {"NEXTPLAY_GATEWAY_HTTP_BIND": f"127.0.0.1:{port}", "NEXTPLAY_GATEWAY_DRAIN_SECONDS": str(DRAIN_SECONDS)}
    settings = stack.environment(None) | binds
    ready = answers(port, "/readyz")
    return Process(str(port), python(["gateway"]), ready=ready, environment=settings, stop_seconds=30)


async def _replace(gateway: Watch, balancer: Balancer) -> None:
    """Stop it and start it again; the balancer hears late of the former."""
    port, gone = int(gateway.process.name), asyncio.Event()

    def leave() -> None:
        balancer.ports.remove(port)
        gone.set()

    asyncio.get_running_loop().call_later(LAG_SECONDS, leave)
    gateway.wanted.clear()
    await end(gateway)
    await gone.wait()
    gateway.wanted.set()
    async with asyncio.timeout(gateway.process.ready_seconds):
        await gateway.ready.wait()
    balancer.ports.append(port)


async def _requests(stack: Stack) -> list[bytes]:
    """Of each user six reads and three writes, of all three contexts that a gateway calls."""
    made = list[list[bytes]]()
    async with httpx.AsyncClient(base_url=stack.gateway, timeout=10, trust_env=False) as http:
        for number in range(USERS):
            token, followed = stack.issuer.user_token(f"rolling-{number}", "paid"), user_id(f"followed-{number}")
            announced = {**ANNOUNCEMENT, "file_size_bytes": BYTES}
            reply = await http.post(
                "/v1/uploads/initiate", json=announced, headers={"Authorization": f"Bearer {token}"}
            )
            upload: dict[str, Any] = reply.raise_for_status().json()
            video, parts = f"/v1/videos/{upload['video_id']}", f"/v1/uploads/{upload['upload_id']}"
            made.append(
                [
                    request("GET", f"{video}/status", token),
                    request("POST", f"{parts}/parts/presign", token, _json(part_number=1, content_length=BYTES)),
                    request("GET", "/v1/feed/discover", token),
                    request("GET", parts, token),
                    request("PUT", f"/v1/users/{followed}/follow", token),
                    request("GET", "/v1/notifications", token),
                    request("GET", video, token),
                    request("PATCH", video, token, _json(title="Another title")),
                    request("GET", "/v1/videos", token),
                ]
            )
    return [one for of_all in zip(*made, strict=True) for one in of_all]


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()
