"""A gateway over HTTP in front of a gRPC backend that a test programs.

    async with gateway_world() as world:
        world.replies("GetUpload", lambda request, context: reply)
        answer = await world.http.get("/v1/uploads/…")

The backend answers every public RPC of the contract; an RPC without a program ends UNIMPLEMENTED. Programs are
coroutine functions of (request, context), or async generators for streams.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from chassis.errors import Failure
from chassis.grpc_client import plain_channel
from chassis.grpc_errors import DETAILS_KEY, status_from
from chassis.run import Service
from chassis.settings import TelemetrySettings
from gateway.app import gateway_app
from gateway.contract import DESCRIPTORS, Comments, Contract, Endpoint, read_contract
from gateway.server import http_server
from gateway.settings import Settings

Program = Callable[[Any, Any], Any]


@dataclass
class World:
    """What a test talks to: the gateway by `http`, the backend by its programs."""

    http: httpx.AsyncClient
    port: int
    service: Service
    contract: Contract
    backend: grpc.aio.Server
    _programs: dict[str, Program]

    def program(self, rpc: str, program: Program) -> None:
        """Let the backend answer an RPC, by its short name, in this way."""
        self._programs[rpc] = program

    def replies(self, rpc: str, **fields: Any) -> list[Message]:
        """Let the backend answer an RPC with these fields; the list is that of the requests which it got."""
        requests: list[Message] = []

        async def reply(request: Message, _: Any) -> Message:
            requests.append(request)
            return self.message(rpc, **fields)

        self.program(rpc, reply)
        return requests

    def fails(self, rpc: str, failure: Failure) -> None:
        """Let the backend end an RPC with a failure, as the chassis' server does."""

        async def fail(_: Message, context: Any) -> None:
            await abort(context, failure)

        self.program(rpc, fail)

    def message(self, rpc: str, **fields: Any) -> Message:
        """A reply of an RPC; messages within it are given as dictionaries."""
        endpoint = next(endpoint for endpoint in self.contract.endpoints if endpoint.method.name == rpc)
        return endpoint.reply(**fields)


async def abort(context: Any, failure: Failure) -> None:
    """End a call with a failure, as the chassis' server does."""
    status = status_from(failure, None)
    details = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(grpc.StatusCode[failure.kind.grpc_code], status.message, details)


@asynccontextmanager
async def gateway_world(
    descriptors: bytes | None = None, comments: Comments | None = None, **settings: Any
) -> AsyncIterator[World]:
    """A gateway of the given descriptor set and comments (by default those that are checked in) and settings, and its
    backend."""
    contract = read_contract(descriptors or DESCRIPTORS.read_bytes(), comments)
    programs: dict[str, Program] = {}
    async with AsyncExitStack() as opened:
        backend = grpc.aio.server()
        backend.add_generic_rpc_handlers((Programmed(contract, programs),))
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), backend)
        address = f"127.0.0.1:{backend.add_insecure_port('127.0.0.1:0')}"
        await backend.start()
        opened.push_async_callback(backend.stop, None)
        given = settings_for(address, **settings)
        service = Service("gateway")
        opened.callback(service.stopping.set)
        contexts = {endpoint.context for endpoint in contract.endpoints}
        channels = {name: await opened.enter_async_context(plain_channel(address, retried=[])) for name in contexts}
        app = gateway_app(contract, channels, given, service)
        port = await opened.enter_async_context(http_server(app, given))
        http = await opened.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20))
        yield World(http, port, service, contract, backend, programs)
        service.stopping.set()


def settings_for(address: str, **settings: Any) -> Settings:
    """Settings with one backend for all contexts."""
    given: dict[str, Any] = {"http_bind": "127.0.0.1:0", "drain_seconds": 0, "telemetry": TelemetrySettings()}
    addresses = {f"{context}_address": address for context in ("upload", "catalog", "notify")}
    return Settings(**given | addresses | settings)


class Programmed(grpc.GenericRpcHandler):
    """Answers the public RPCs of a contract by the programs of a test, which may still change."""

    def __init__(self, contract: Contract, programs: dict[str, Program]) -> None:
        self._endpoints: dict[str, Endpoint] = {f"/{one.grpc_path}": one for one in contract.endpoints}
        self._programs = programs

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        endpoint = self._endpoints.get(handler_call_details.method)
        program = self._programs.get(endpoint.method.name) if endpoint else None
        if endpoint is None or program is None:
            return None
        streams = endpoint.method.server_streaming
        handler = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return handler(program, endpoint.request.FromString, endpoint.reply.SerializeToString)
