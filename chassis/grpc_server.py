"""The gRPC server of a context: identity, deadlines, errors, traces and metrics around every method.

A servicer is a plain class of the generated kind: `async def Method(self, request, context)`, an async generator for a
streaming reply. It raises `Failure`s, asks `chassis.auth.current_user()` who calls, and does nothing else about gRPC.
What a method asks of its caller and may fail with is its `(nextplay.api.v1.rpc)` option.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeAlias

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import SpanKind, get_current_span

from chassis.auth import Caller, User, Verifier, acting_as
from chassis.errors import DeadlineExceeded, Failure, Internal, Kind, Unavailable
from chassis.grpc_errors import DETAILS_KEY, status_from
from chassis.grpc_policy import Policy, identify, policy_of
from chassis.limits import limited
from chassis.metrics import RPC_DURATION
from chassis.telemetry import logger
from chassis.tracing import SLOW_SECONDS, afterwards, current_trace_id, failed, received, span, unrecorded, within

UNARY_SECONDS, STREAM_SECONDS = 30.0, 3600.0
GRACE_SECONDS, GATHERED_SECONDS, LEAVE_SECONDS = 10.0, 0.1, 0.3
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.max_connection_age_ms", 600_000),  # so that clients find instances that were added
    ("grpc.so_reuseport", 0),  # a second process on the same port is a mistake that must be seen
]

Servicer: TypeAlias = tuple[Callable[[Any, Any], None], object]  # the generated add_…Servicer_to_server, and it
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
_Work: TypeAlias = Callable[[asyncio.Timeout], Awaitable[Any]]

log = logger(__name__)
_OUR_FAULT = {"INTERNAL", "DEADLINE_EXCEEDED", "UNAVAILABLE"}
_idempotency_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)


def idempotency_key() -> str | None:
    """The Idempotency-Key of the present call, or None."""
    return _idempotency_key.get()


@asynccontextmanager
async def grpc_server(
    bind: str, servicers: Sequence[Servicer], verifier: Verifier, *, stopping: asyncio.Event
) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. Open it last: it takes calls at once.

    When `stopping` is set, health says NOT_SERVING and streams end with UNAVAILABLE, so that their clients resume
    elsewhere. Calls are answered for 0.3 s more, in which our channels, who watch health, turn to other instances: a
    call that arrives while a server stops is lost. Those that run have 10 s to finish.

    Raises `ValueError` if a method has no `rpc` option, `OSError` if the address cannot be bound.
    """
    services: dict[str, Mapping[str, _Handler]] = {}
    # Stands in for the server while servicers register, because a server doesn't tell what it was given.
    registered = SimpleNamespace(add_registered_method_handlers=services.__setitem__, add_generic_rpc_handlers=len)
    for register, servicer in servicers:
        register(servicer, registered)
    server = grpc.aio.server(options=_OPTIONS)
    guard = _Guard(verifier, stopping)
    for service, handlers in services.items():
        methods = descriptor_pool.Default().FindServiceByName(service).methods_by_name
        guarded = {name: guard.around(methods[name], handler) for name, handler in handlers.items()}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))
    healthy = health.aio.HealthServicer()  # type: ignore[attr-defined]
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)  # type: ignore[no-untyped-call]
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server)  # type: ignore[no-untyped-call]
    try:
        port = server.add_insecure_port(bind)
    except RuntimeError as error:
        raise OSError(f"The gRPC server cannot listen on {bind}; is the port in use?") from error
    await server.start()
    leaving = asyncio.create_task(_leave(guard, healthy))
    try:
        yield port
    finally:
        if stopping.is_set():
            await asyncio.sleep(LEAVE_SECONDS)
        leaving.cancel()
        await server.stop(GRACE_SECONDS)
        guard.record()


async def _leave(guard: "_Guard", healthy: Any) -> None:
    await guard.stopping.wait()
    await healthy.enter_graceful_shutdown()
    for limit in guard.streams:
        if not limit.expired():
            limit.reschedule(0)


@dataclass(frozen=True)
class _Guard:
    """What surrounds each method."""

    verifier: Verifier
    stopping: asyncio.Event
    streams: set[asyncio.Timeout] = field(default_factory=set)
    measured: list[tuple[Context, float, dict[str, str]]] = field(default_factory=list)

    def around(self, method: MethodDescriptor, handler: Any) -> _Handler:
        """The handler as the server shall call it."""
        policy, many = policy_of(method), handler.response_streaming
        serve = limited(method.input_type, handler.unary_stream if many else handler.unary_unary)

        async def answer_once(request: Any, context: _Context) -> Any:
            return await self._answer(policy, request, context, many, lambda _: serve(request, context))

        # Writes instead of yielding: context variables hold to the end of a coroutine, but not in a generator.
        async def answer_many(request: Any, context: _Context) -> None:
            async def work(limit: asyncio.Timeout) -> None:
                self.streams.add(limit)
                try:
                    async with aclosing(serve(request, context)) as messages:
                        async for message in messages:
                            await context.write(message)
                finally:
                    self.streams.discard(limit)

            await self._answer(policy, request, context, many, work)

        if handler.request_streaming:
            raise ValueError(f"{policy.method} takes a stream of requests; only single requests are supported")
        coders = handler.request_deserializer, handler.response_serializer
        if many:
            return grpc.unary_stream_rpc_method_handler(answer_many, *coders)
        return grpc.unary_unary_rpc_method_handler(answer_once, *coders)

    async def _answer(self, policy: Policy, request: Any, context: _Context, many: bool, work: _Work) -> Any:
        """Do `work` as the caller, within the caller's deadline and ours; what it raises becomes the call's status."""
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        started, caller = time.monotonic(), None
        code = status_code = "CANCELLED"
        fields: dict[str, object] = {"method": policy.method}
        name = "/".join(policy.method.rsplit(".", 1))
        about = {"rpc.system.name": "grpc", "rpc.method": name}
        came_with = received(metadata, request)
        # A read that goes well and fast has no span beside its caller's, if it has one: polls would be half spans.
        later = policy.reads and get_current_span(came_with).get_span_context().is_valid
        alone = within(unrecorded(came_with)) if later else None
        with alone or span(name, SpanKind.SERVER, about, context=came_with, marks_errors=False):
            try:
                caller = await identify(metadata.get("authorization"), policy, self.verifier)
                _idempotency_key.set(metadata.get("idempotency-key"))
                with acting_as(caller):
                    result = await self._within(many, context, work)
                code = status_code = "OK"
                return result
            except Exception as error:
                failure = error if isinstance(error, Failure) else Internal()
                code, status_code = failure.code, failure.kind.grpc_code
                fields |= {"detail": str(failure)} | ({"cause": repr(error.__cause__)} if error.__cause__ else {})
                if failure.kind is Kind.INTERNAL:
                    log.error("rpc_broke", cause=error, method=policy.method)
                elif failure.kind not in policy.fails:
                    log.error("rpc_failure_undeclared", method=policy.method, kind=failure.kind.name, code=code)
                status = status_from(failure, current_trace_id())
                slow = time.monotonic() - started > SLOW_SECONDS  # then the channel itself is not to try again
                details = ((DETAILS_KEY, status.SerializeToString()), *[("grpc-retry-pushback-ms", b"-1")] * slow)
                await context.abort(grpc.StatusCode[failure.kind.grpc_code], status.message, details)
            finally:
                seconds = time.monotonic() - started
                self.measured.append((copy_context(), seconds, {"method": policy.method, "code": code}))
                if len(self.measured) == 1:
                    asyncio.get_running_loop().call_later(GATHERED_SECONDS, self.record)
                if code != "OK" or not policy.reads or seconds > SLOW_SECONDS:
                    told = afterwards(name, SpanKind.SERVER, about, seconds, came_with) if later else get_current_span()
                    told.set_attributes({"rpc.response.status_code": status_code, "nextplay.code": code})
                    if status_code in _OUR_FAULT:
                        failed(told, code)
                    if later:
                        told.end()
                    log.info("rpc_answered", **fields, code=code, ms=round(seconds * 1000, 1), caller=_named(caller))

    def record(self) -> None:
        """Record what was measured in a tenth of a second together; one by one takes several times as long, because a
        processor that has done something else in between has forgotten how."""
        measured, self.measured[:] = self.measured[:], []
        for context, seconds, labels in measured:
            context.run(RPC_DURATION.record, seconds, labels)

    async def _within(self, many: bool, context: _Context, work: _Work) -> Any:
        """Do `work` until its time is over or the server stops. A unary call ends after nine tenths of its
        caller's time, so that the caller learns that something which it needs does not answer, and when to try again.
        """
        longest = STREAM_SECONDS if many else UNARY_SECONDS
        callers = longest if many else 0.9 * (context.time_remaining() or longest)
        limit = asyncio.timeout(min(longest, callers))
        try:
            async with limit:
                return await work(limit)
        except TimeoutError as error:
            if not limit.expired():
                raise
            if self.stopping.is_set():
                raise Unavailable("The server is stopping; another one goes on.", retry_after=1) from error
            if callers < longest:
                raise Unavailable("Something that this needs gave no answer in time.", retry_after=1) from error
            raise DeadlineExceeded from error


def _named(caller: Caller | None) -> str:
    kind, name = ("user", caller.user_id) if isinstance(caller, User) else ("service", caller and caller.name)
    return f"{kind}:{name}" if caller else "anonymous"
