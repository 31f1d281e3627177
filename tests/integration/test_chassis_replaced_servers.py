"""Instances of a service that are replaced while others call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from name_server import name_server

from chassis.auth import ServiceCaller, User
from chassis.errors import Unauthenticated
from chassis.grpc_client import plain_channel
from chassis.grpc_server import grpc_server
from deploy.local.ports import free_port

CALLERS, REPLACEMENTS, FOUND_SECONDS = 20, 3, 10.0


class Nobody:
    """Whom these calls come from: nobody asks."""

    async def user(self, token: str) -> User:
        raise Unauthenticated

    async def service(self, token: str) -> ServiceCaller:
        raise Unauthenticated


@asynccontextmanager
async def instance(bind: str) -> AsyncIterator[int]:
    """A server that stops as a process does at SIGTERM."""
    stopping = asyncio.Event()
    async with grpc_server(bind, [], Nobody(), stopping=stopping) as port:
        yield port
        stopping.set()


async def ask(channel: grpc.aio.Channel) -> None:
    """A call that every server answers."""
    stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
    await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)


async def test_no_call_is_lost_while_an_instance_is_replaced_though_none_is_tried_again() -> None:
    done, answered = asyncio.Event(), [0] * CALLERS

    async def go_on(channel: grpc.aio.Channel, caller: int) -> None:
        while not done.is_set():
            await ask(channel)
            answered[caller] += 1

    async def all_called() -> None:
        before = sum(answered)
        while sum(answered) < before + 10 * CALLERS:  # noqa: ASYNC110 - what they count is what we wait for
            await asyncio.sleep(0.01)

    port = free_port()
    async with (
        instance("127.0.0.1:0") as other,
        plain_channel(f"ipv4:127.0.0.1:{other},127.0.0.1:{port}", retried=[]) as channel,
        asyncio.timeout(30),
        asyncio.TaskGroup() as calling,
    ):
        for caller in range(CALLERS):
            calling.create_task(go_on(channel, caller))
        for _ in range(REPLACEMENTS):
            async with instance(f"127.0.0.1:{port}"):
                await all_called()
        done.set()


async def test_instances_that_have_come_under_a_name_are_found_when_those_that_were_known_are_gone() -> None:
    port = free_port()
    async with name_server() as names:
        names.known["servers.test"] = "127.0.0.2"
        async with plain_channel(f"dns://{names.address}/servers.test:{port}", retried=[]) as channel:
            async with instance(f"127.0.0.2:{port}"):
                await ask(channel)
                names.known["servers.test"] = "127.0.0.3"
            async with instance(f"127.0.0.3:{port}"), asyncio.timeout(FOUND_SECONDS):
                while True:
                    try:
                        await ask(channel)
                        break
                    except grpc.aio.AioRpcError:
                        await asyncio.sleep(0.05)
