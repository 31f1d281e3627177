"""The gateway as a process: it starts, tells whether it is ready, traces, logs, and stops without losing a request."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from gateway.contract import DESCRIPTORS, read_contract
from tests.gateway_world import Programmed

LIMIT_SECONDS = 20
TRACE = "0af7651916cd43dd8448eb211c80319c"
VIDEO = "019a2f3c-7d10-7c3e-9a52-2b8e4d1f6a70"


@dataclass
class Backend:
    """A gRPC server of all contexts on a port that stays the same."""

    port: int = 0
    programs: dict[str, Any] = field(default_factory=dict)
    health: HealthServicer = field(default_factory=HealthServicer)
    server: Any = None

    async def start(self) -> None:
        self.server = grpc.aio.server()
        self.server.add_generic_rpc_handlers((Programmed(read_contract(DESCRIPTORS.read_bytes()), self.programs),))
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop(None)


@dataclass
class Gateway:
    """A running `python -m gateway serve`."""

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient
    log: list[dict[str, Any]]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == event]


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until the condition holds; fail after 20 s."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(**addresses: int) -> AsyncIterator[Gateway]:
    settings = {f"NEXTPLAY_{context.upper()}_ADDRESS": f"127.0.0.1:{port}" for context, port in addresses.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve"),
        env={**os.environ, **settings, "NEXTPLAY_GATEWAY_HTTP_BIND": "127.0.0.1:0"},
        stderr=asyncio.subprocess.PIPE,
    )
    lines: list[dict[str, Any]] = []
    stderr = process.stderr
    assert stderr is not None

    async def read() -> None:
        async for line in stderr:
            lines.append(json.loads(line))

    reading = asyncio.create_task(read())
    try:

        async def bound() -> object:
            return [line for line in lines if line["event"] == "http_bound"] or reading.done()

        await eventually(bound)
        port = next(line["port"] for line in lines if line["event"] == "http_bound")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_SECONDS) as http:
            yield Gateway(process, http, lines)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


@asynccontextmanager
async def backend() -> AsyncIterator[Backend]:
    made = Backend()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def ready(gateway: Gateway) -> bool:
    return (await gateway.http.get("/readyz")).status_code == 200


async def test_it_is_ready_once_every_context_answered_and_then_while_one_does() -> None:
    async with backend() as first, backend() as second:
        await second.stop()
        async with running(upload=first.port, catalog=first.port, notify=second.port) as gateway:
            answer = await gateway.http.get("/readyz")
            assert answer.status_code == 503
            assert "notify" in answer.json()["unready"]["services"]
            assert "catalog" not in answer.text
            await second.start()
            await eventually(lambda: ready(gateway))
            await second.stop()
            assert await ready(gateway)
            assert (await gateway.http.get("/v1/notifications")).status_code == 503
            await first.health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
            answer = await gateway.http.get("/readyz")
            assert answer.status_code == 503
            assert (await gateway.http.get("/healthz")).status_code == 200


async def test_a_request_is_traced_and_logged_without_its_secrets() -> None:
    parents: list[str] = []

    async def reply(_: Message, context: Any) -> None:
        parents.append(dict(context.invocation_metadata())["traceparent"])
        await context.abort(grpc.StatusCode.INTERNAL, "inner")

    async with backend() as all_contexts:
        all_contexts.programs["GetPlaylist"] = reply
        port = all_contexts.port
        async with running(upload=port, catalog=port, notify=port) as gateway:
            headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "Authorization": "Bearer hunter2"}
            answer = await gateway.http.get(f"/v1/videos/{VIDEO}/hls/master.m3u8?token=hunter3", headers=headers)
            assert answer.json()["trace_id"] == TRACE
            assert parents[0].split("-")[1] == TRACE
            assert parents[0].split("-")[2] != "b7ad6b7169203331"
            fresh = await gateway.http.get("/v1/hunter4")
            await gateway.http.get("/v1/videos/hunter5")
            assert re.fullmatch("[0-9a-f]{32}", fresh.json()["trace_id"])
            metrics = (await gateway.http.get("/metrics")).text

        answered, unknown, _ = gateway.told("http_request_answered")
        assert answered["trace_id"] == TRACE
        assert (answered["method"], answered["status"]) == ("GET", 500)
        assert answered["route"] == "/v1/videos/{video_id}/hls/{playlist}"
        assert answered["video_id"] == VIDEO
        assert (unknown["route"], unknown["status"]) == ("none", 404)
        assert "hunter" not in json.dumps(gateway.log)
        labels = 'http_server_duration_seconds_count{method="GET"'
        assert any(line.startswith(labels) and 'status="500"' in line for line in metrics.splitlines())


async def test_files_of_pages_are_counted_by_their_route() -> None:
    async with backend() as all_contexts:
        port = all_contexts.port
        async with running(upload=port, catalog=port, notify=port) as gateway:
            for path in ("/studio/assets/one.js", "/studio/assets/two.js", "/studio/three", "/studio/four/five/six"):
                await gateway.http.get(path)
            metrics = (await gateway.http.get("/metrics")).text
    counted = set(re.findall(r'http_server_duration_seconds_count{[^}]*route="([^"]*)"', metrics))
    assert counted == {"/studio/assets/{file}", "/studio/{file}", "none"}


async def test_sigterm_lets_running_requests_finish_and_exits_0() -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async with backend() as all_contexts:
        contract = read_contract(DESCRIPTORS.read_bytes())
        get_upload = next(endpoint for endpoint in contract.endpoints if endpoint.method.name == "GetUpload")

        async def reply(_: Message, __: Any) -> Message:
            started.set()
            await go_on.wait()
            return get_upload.reply(upload_id="finished")

        all_contexts.programs["GetUpload"] = reply
        port = all_contexts.port
        async with running(upload=port, catalog=port, notify=port) as gateway:
            request = asyncio.create_task(gateway.http.get("/v1/uploads/abc"))
            await asyncio.wait_for(started.wait(), LIMIT_SECONDS)
            await gateway.http.get("/healthz")
            gateway.process.send_signal(signal.SIGTERM)

            async def draining() -> bool:
                return (await gateway.http.get("/readyz")).status_code == 503

            await eventually(draining)
            go_on.set()
            answer = await asyncio.wait_for(request, LIMIT_SECONDS)
            assert answer.json()["upload_id"] == "finished"
            # Nobody sends another request into a connection that is about to be closed.
            assert answer.headers["connection"] == "close"
            assert await asyncio.wait_for(gateway.process.wait(), LIMIT_SECONDS) == 0


async def test_a_port_in_use_stops_the_start_with_its_reason() -> None:
    async with backend() as all_contexts:
        port = all_contexts.port
        async with running(upload=port, catalog=port, notify=port) as gateway:
            taken = str(gateway.http.base_url).removeprefix("http://").rstrip("/")
            addresses = {f"NEXTPLAY_{name}_ADDRESS": f"127.0.0.1:{port}" for name in ("UPLOAD", "CATALOG", "NOTIFY")}
            second = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway"),
                env={**os.environ, **addresses, "NEXTPLAY_GATEWAY_HTTP_BIND": taken},
                stderr=asyncio.subprocess.PIPE,
            )
            _, stderr = await asyncio.wait_for(second.communicate(), LIMIT_SECONDS)
            assert second.returncode == 1
            assert b"Address already in use" in stderr
