"""The gRPC server and client of the chassis against each other, over a real socket.

The service under test is described here and not in protos/: its methods fail in every way that a method can.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2
from google.rpc import status_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis.auth import ServiceCaller, ServiceToken, User, Verifier, current_user, optional_user
from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind, Unauthenticated, Unavailable
from chassis.grpc_client import channel, failure_from, plain_channel
from chassis.grpc_errors import DETAILS_KEY
from chassis.grpc_server import grpc_server, idempotency_key
from nextplay.api.v1 import options_pb2

PACKAGE = "nextplay.trial.v1"
SERVICE = f"{PACKAGE}.Trial"
ALICE = User(uuid.UUID(int=1), "paid")
Text = wrappers_pb2.StringValue

METHODS = {
    "WhoAmI": options_pb2.Rpc(access=options_pb2.USER),
    "WhoAmIIfAnybody": options_pb2.Rpc(access=options_pb2.ANYONE),
    "ForUpload": options_pb2.Rpc(access=options_pb2.SERVICE, callers=["upload"]),
    "Fail": options_pb2.Rpc(access=options_pb2.ANYONE, fails=[options_pb2.GONE]),
    "Wait": options_pb2.Rpc(access=options_pb2.ANYONE),
    "Watch": options_pb2.Rpc(access=options_pb2.USER),
    "Limited": options_pb2.Rpc(access=options_pb2.ANYONE),
    "Unruled": options_pb2.Rpc(),
}


def _describe() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="nextplay/trial/v1/trial.proto", package=PACKAGE, syntax="proto3")
    imported = ("google/protobuf/wrappers.proto", "google/api/annotations.proto", "nextplay/api/v1/options.proto")
    file.dependency.extend(imported)
    service = file.service.add(name="Trial")
    # On the wire what StringValue is.
    short = file.message_type.add(name="Short").field.add(name="value", number=1, type=9, label=1)
    short.options.Extensions[options_pb2.limits].max_length = 5
    for name, rule in METHODS.items():
        value = ".google.protobuf.StringValue"
        method = service.method.add(name=name, input_type=value, output_type=value, server_streaming=name == "Watch")
        if name == "Limited":
            method.input_type = f".{PACKAGE}.Short"
            method.options.Extensions[annotations_pb2.http].get = "/v1/limited"  # type: ignore[assignment, index]
        method.options.Extensions[options_pb2.rpc].CopyFrom(rule)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


_describe()


class Expired(Failure, kind=Kind.GONE, code="TRIAL_EXPIRED", next_action="Start a new trial."):
    """The trial expired."""


class Missing(Failure, kind=Kind.NOT_FOUND, code="TRIAL_NOT_FOUND", next_action="Look elsewhere."):
    """There is no such trial."""


FAILURES: dict[str, Exception] = {
    "expired": Expired("The trial expired 3 s ago.", retry_after=7.2),
    "undeclared": Missing(),
    "fields": InvalidArgument(
        fields=[FieldViolation("parts[2].etag", "is empty"), FieldViolation("size", "is 0 bytes")]
    ),
    "bug": ZeroDivisionError("the secret inner text"),
}


class Trial:
    def __init__(self) -> None:
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()

    async def answer(self, method: str, request: Text) -> Text:
        match method:
            case "WhoAmI":
                await asyncio.sleep(0)
                return Text(value=f"{current_user().user_id} {current_user().tier} {idempotency_key()}")
            case "WhoAmIIfAnybody":
                return Text(value=str(optional_user() and current_user().user_id))
            case "ForUpload" | "Limited":
                return Text(value="served")
            case "Fail":
                raise FAILURES[request.value]
            case "Wait":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
        raise AssertionError(method)

    async def watch(self, request: Text, context: object) -> AsyncIterator[Text]:
        try:
            for number in range(int(request.value)):
                yield Text(value=f"{number} {current_user().user_id} {idempotency_key()}")
            if request.value == "3":
                raise Expired
            await asyncio.sleep(60)
        finally:
            self.closed.set()


def register(*methods: str) -> Callable[[Any, Any], None]:
    """What generated code has as add_TrialServicer_to_server, for some of the methods."""

    def add(servicer: Trial, server: Any) -> None:
        def unary(method: str) -> Callable[[Text, object], Awaitable[Text]]:
            return lambda request, context: servicer.answer(method, request)

        coders: tuple[Any, Any] = (Text.FromString, Text.SerializeToString)
        handlers: dict[str, Any] = {
            name: grpc.unary_stream_rpc_method_handler(servicer.watch, *coders)
            if name == "Watch"
            else grpc.unary_unary_rpc_method_handler(unary(name), *coders)
            for name in methods
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        server.add_registered_method_handlers(SERVICE, handlers)

    return add


class OneToken(Verifier):
    """Knows one user's and two services' tokens."""

    def __init__(self) -> None:
        pass

    async def user(self, token: str) -> User:
        if token != "alice":
            raise Unauthenticated("The token is for another audience.")
        return ALICE

    async def service(self, token: str) -> ServiceCaller:
        if token not in ("upload", "notify"):
            raise Unauthenticated("The token is for another audience.")
        return ServiceCaller(token)


@dataclass
class Running:
    port: int
    servicer: Trial
    stopping: asyncio.Event

    @asynccontextmanager
    async def calling(self, method: str, **kwargs: Any) -> AsyncIterator[Any]:
        make_channel = plain_channel if "retried" in kwargs else channel
        async with make_channel(f"127.0.0.1:{self.port}", **kwargs) as opened:
            make = opened.unary_stream if method == "Watch" else opened.unary_unary
            yield make(f"/{SERVICE}/{method}", Text.SerializeToString, Text.FromString)

    async def call(self, method: str, value: str = "", *, token: str | None = None, **metadata: str) -> str:
        sent = [(name.replace("_", "-"), text) for name, text in metadata.items()]
        if token:
            sent.append(("authorization", f"Bearer {token}"))
        async with self.calling(method) as method_of_stub:
            reply = await method_of_stub(Text(value=value), metadata=sent)
            return str(reply.value)

    async def failure(self, *args: Any, **kwargs: Any) -> tuple[Failure, grpc.aio.AioRpcError]:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(*args, **kwargs)
        return failure_from(caught.value), caught.value


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    servicer, stopping = Trial(), asyncio.Event()
    methods = [name for name in METHODS if name != "Unruled"]
    async with grpc_server(
        "127.0.0.1:0",
        [(register(*methods), servicer)],
        OneToken(),
        stopping=stopping,
    ) as port:
        yield Running(port, servicer, stopping)


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The events that were logged as errors."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_request_beyond_its_limits_is_refused_before_the_servicer_is_asked(server: Running) -> None:
    assert await server.call("Limited", "12345") == "served"
    failure, _ = await server.failure("Limited", "123456")
    assert failure.kind is Kind.INVALID_ARGUMENT
    assert str(failure) == "value must have 0 to 5 characters, has 6 characters."
    assert failure.fields == (FieldViolation("value", "must have 0 to 5 characters, has 6 characters"),)


async def test_a_method_sees_the_user_and_the_idempotency_key_of_its_call(server: Running) -> None:
    assert await server.call("WhoAmI", token="alice", idempotency_key="k1") == f"{ALICE.user_id} paid k1"
    assert await server.call("WhoAmI", token="alice") == f"{ALICE.user_id} paid None"


async def test_a_streaming_method_sees_its_user_in_every_step(server: Running) -> None:
    async with server.calling("Watch") as watch:
        call = watch(Text(value="2"), metadata=[("authorization", "Bearer alice"), ("idempotency-key", "k2")])
        received = [(await call.read()).value, (await call.read()).value]
        call.cancel()
    assert received == [f"{number} {ALICE.user_id} k2" for number in range(2)]


async def test_a_read_is_a_line_of_the_log_where_it_fails_or_takes_long(
    server: Running, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    await server.call("Limited", "12345")
    await server.failure("Limited", "123456")
    monkeypatch.setattr("chassis.grpc_server.SLOW_SECONDS", 0)
    await server.call("Limited", "1234")
    answered = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "rpc_answered"]
    assert [line["code"] for line in answered] == ["INVALID_ARGUMENT", "OK"]


async def test_each_other_call_is_one_line_of_the_log(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await server.call("WhoAmI", token="alice")
    await server.failure("Fail", "expired")
    answered = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "rpc_answered"]
    assert [(line["method"], line["code"], line["caller"]) for line in answered] == [
        (f"{SERVICE}.WhoAmI", "OK", f"user:{ALICE.user_id}"),
        (f"{SERVICE}.Fail", "TRIAL_EXPIRED", "anonymous"),
    ]


async def test_a_stream_whose_client_hangs_up_is_closed(server: Running) -> None:
    async with server.calling("Watch") as watch:
        call = watch(Text(value="1"), metadata=[("authorization", "Bearer alice")])
        await call.read()
        call.cancel()
        await asyncio.wait_for(server.servicer.closed.wait(), 5)


async def test_a_failing_stream_delivers_what_it_had_and_then_the_failure(server: Running) -> None:
    received = []
    async with server.calling("Watch") as watch:
        try:
            async for message in watch(Text(value="3"), metadata=[("authorization", "Bearer alice")]):
                received.append(message)
        except grpc.aio.AioRpcError as error:
            failure = failure_from(error)
    assert len(received) == 3
    assert failure.code == "TRIAL_EXPIRED"


@pytest.mark.parametrize("authorization", [None, "Bearer bob", "Bearer", "Basic alice", "alice", "Bearer upload"])
async def test_a_user_method_refuses_every_other_caller(server: Running, authorization: str | None) -> None:
    metadata = {} if authorization is None else {"authorization": authorization}
    failure, error = await server.failure("WhoAmI", **metadata)
    assert failure.kind is Kind.UNAUTHENTICATED
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_an_open_method_serves_anybody_but_refuses_a_wrong_token(server: Running) -> None:
    assert await server.call("WhoAmIIfAnybody") == "None"
    assert await server.call("WhoAmIIfAnybody", token="alice") == str(ALICE.user_id)
    assert (await server.failure("WhoAmIIfAnybody", token="bob"))[0].kind is Kind.UNAUTHENTICATED


async def test_an_internal_method_serves_only_the_services_it_names(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    assert await server.call("ForUpload", token="upload") == "served"
    [answered] = [vars(record)["fields"] for record in caplog.records if record.getMessage() == "rpc_answered"]
    assert answered["caller"] == "service:upload"
    assert (await server.failure("ForUpload", token="notify"))[0].kind is Kind.PERMISSION_DENIED
    assert (await server.failure("ForUpload", token="alice"))[0].kind is Kind.UNAUTHENTICATED
    assert (await server.failure("ForUpload"))[0].kind is Kind.UNAUTHENTICATED


async def test_the_token_of_a_channel_is_read_again_when_its_file_changes(server: Running, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("bob\n")
    async with server.calling("ForUpload", token=ServiceToken(file)) as which:
        with pytest.raises(grpc.aio.AioRpcError):
            await which(Text())
        replacement = tmp_path / "next"
        replacement.write_text("upload\n")
        replacement.rename(file)
        assert (await which(Text())).value == "served"


async def test_a_service_that_lost_its_token_is_told_so_and_sends_nothing(server: Running, tmp_path: Path) -> None:
    async with server.calling("ForUpload", token=ServiceToken(tmp_path / "absent")) as which:
        with pytest.raises(Unavailable, match="own token"):
            await which(Text())


def trace_id_of(error: grpc.aio.AioRpcError) -> str:
    """The trace id that the server reported with the failure."""
    info = ErrorInfo()
    status_pb2.Status.FromString(dict(error.trailing_metadata() or ())[DETAILS_KEY]).details[0].Unpack(info)
    return info.metadata["trace_id"]


async def test_a_failure_arrives_whole(server: Running, errors: Callable[[], list[str]]) -> None:
    failure, error = await server.failure("Fail", "expired")
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert (failure.kind, failure.code, str(failure)) == (Kind.GONE, "TRIAL_EXPIRED", "The trial expired 3 s ago.")
    assert failure.next_action == "Start a new trial."
    assert failure.retry_after == 8.0, "rounded up to whole seconds, as Retry-After is"
    assert errors() == []


async def test_wrong_fields_arrive_with_their_sentences(server: Running) -> None:
    failure, _ = await server.failure("Fail", "fields")
    assert failure.fields == FAILURES["fields"].fields  # type: ignore[attr-defined]


async def test_a_bug_is_internal_with_a_trace_id_and_no_inner_text(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    trace_id = uuid.uuid4().hex
    failure, error = await server.failure("Fail", "bug", traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    assert (failure.kind, failure.code) == (Kind.INTERNAL, "INTERNAL")
    assert trace_id_of(error) == trace_id
    assert "secret" not in f"{error.details()}{error.trailing_metadata()}"
    [logged] = [record for record in caplog.records if record.getMessage() == "rpc_broke"]
    assert logged.exc_info
    assert isinstance(logged.exc_info[1], ZeroDivisionError)


async def test_a_failure_that_the_option_does_not_declare_is_an_error_in_the_log(
    server: Running, errors: Callable[[], list[str]]
) -> None:
    failure, _ = await server.failure("Fail", "undeclared")
    assert failure.code == "TRIAL_NOT_FOUND"
    assert errors() == ["rpc_failure_undeclared"]


async def test_the_server_ends_a_call_at_its_own_limit(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chassis.grpc_server.UNARY_SECONDS", 0.05)
    failure, error = await server.failure("Wait")
    assert failure.kind is Kind.DEADLINE_EXCEEDED
    assert DETAILS_KEY in dict(error.trailing_metadata()), "the server said it, not the client's clock"
    assert server.servicer.cancelled.is_set()


async def test_a_call_without_a_timeout_gets_the_default_of_its_channel(server: Running) -> None:
    async with server.calling("Wait", timeout_seconds=0.1) as wait:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wait(Text())
    assert failure_from(caught.value).kind is Kind.DEADLINE_EXCEEDED
    await asyncio.wait_for(server.servicer.cancelled.wait(), 5)


async def test_nobody_listening_is_unavailable() -> None:
    async with channel("127.0.0.1:1") as opened:
        call = opened.unary_unary(f"/{SERVICE}/Wait", Text.SerializeToString, Text.FromString)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(Text())
    failure = failure_from(caught.value)
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.retry_after == 1


async def test_only_unavailable_calls_are_tried_again() -> None:
    calls = {"unavailable": 0, "internal": 0}

    async def flaky(request: Text, context: Any) -> Text:
        calls[request.value] += 1
        if calls[request.value] < 3:
            await context.abort(grpc.StatusCode[request.value.upper()], "later")
        return Text(value="done")

    plain = grpc.aio.server()
    handlers = {
        "Fail": grpc.unary_unary_rpc_method_handler(
            flaky, request_deserializer=Text.FromString, response_serializer=Text.SerializeToString
        )
    }
    plain.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = plain.add_insecure_port("127.0.0.1:0")
    await plain.start()
    try:
        running = Running(port, Trial(), asyncio.Event())
        assert await running.call("Fail", "unavailable") == "done"
        failure, _ = await running.failure("Fail", "internal")
        assert failure.kind is Kind.INTERNAL
        assert calls == {"unavailable": 3, "internal": 1}
        calls["unavailable"] = 0
        async with running.calling("Fail", retried=[f"{SERVICE}/Watch"]) as not_listed:
            with pytest.raises(grpc.aio.AioRpcError):
                await not_listed(Text(value="unavailable"))
        assert calls["unavailable"] == 1
    finally:
        await plain.stop(0)


async def test_a_call_carries_the_trace_of_its_caller(server: Running) -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("caller") as span:
        _, error = await server.failure("Fail", "expired")
    assert trace_id_of(error) == trace.format_trace_id(span.get_span_context().trace_id)


async def test_a_read_that_goes_well_and_fast_is_told_by_its_callers_span_alone(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("chassis.tracing._tracer", provider.get_tracer("test"))
    await server.call("Limited", "short")
    await server.call("WhoAmIIfAnybody")
    await server.failure("Limited", "too long")
    monkeypatch.setattr("chassis.grpc_server.SLOW_SECONDS", 0)
    await server.call("Limited", "short")
    ended = spans.get_finished_spans()
    told = [one for one in ended if one.kind is trace.SpanKind.SERVER]
    assert [(one.name.rpartition("/")[2], (one.attributes or {})["nextplay.code"]) for one in told] == [
        ("WhoAmIIfAnybody", "OK"),
        ("Limited", "INVALID_ARGUMENT"),
        ("Limited", "OK"),
    ]
    callers = {one.context.span_id for one in ended if one.kind is trace.SpanKind.CLIENT and one.context}
    assert {one.parent.span_id for one in told if one.parent} <= callers


async def test_a_method_without_a_rule_keeps_the_server_from_starting() -> None:
    with pytest.raises(ValueError, match=r"Trial\.Unruled has no option \(nextplay\.api\.v1\.rpc\)"):
        async with grpc_server(
            "127.0.0.1:0",
            [(register("Unruled"), Trial())],
            OneToken(),
            stopping=asyncio.Event(),
        ):
            pass


async def test_a_port_in_use_is_told_with_the_address(server: Running) -> None:
    address = f"127.0.0.1:{server.port}"
    with pytest.raises(OSError, match=f"cannot listen on {address}"):
        async with grpc_server(address, [], OneToken(), stopping=asyncio.Event()):
            pass


async def test_stopping_ends_streams_with_unavailable_and_turns_health_off(server: Running) -> None:
    async with (
        server.calling("Watch") as watch,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as plain,
    ):
        health = health_pb2_grpc.HealthStub(plain)  # type: ignore[no-untyped-call]
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 1
        stream = watch(Text(value="1"), metadata=[("authorization", "Bearer alice")])
        await stream.read()
        server.stopping.set()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(stream.read(), 5)
        assert failure_from(caught.value).kind is Kind.UNAVAILABLE
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == 2


async def test_a_running_call_is_finished_before_the_server_is_gone() -> None:
    servicer, started, release = Trial(), asyncio.Event(), asyncio.Event()

    async def slow(method: str, request: Text) -> Text:
        started.set()
        await release.wait()
        return Text(value="finished")

    servicer.answer = slow  # type: ignore[method-assign]
    methods = [(register("WhoAmIIfAnybody"), servicer)]
    part = grpc_server("127.0.0.1:0", methods, OneToken(), stopping=asyncio.Event())
    running = Running(await part.__aenter__(), servicer, asyncio.Event())
    call = asyncio.create_task(running.call("WhoAmIIfAnybody"))
    await asyncio.wait_for(started.wait(), 5)
    closing = asyncio.create_task(part.__aexit__(None, None, None))
    async with asyncio.timeout(5):
        while await _accepts(running.port):  # noqa: ASYNC110 - nothing tells us when a port closes
            await asyncio.sleep(0.01)
    assert not closing.done()
    release.set()
    assert await call == "finished"
    await closing


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True


async def test_reflection_lists_the_services(server: Running) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as plain:
        stub = reflection_pb2_grpc.ServerReflectionStub(plain)  # type: ignore[no-untyped-call]
        stream = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        reply = await stream.read()
    listed = {service.name for service in reply.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= listed


async def test_a_unary_call_ends_before_its_callers_time_is_over_and_is_not_tried_again(
    server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("chassis.grpc_server.SLOW_SECONDS", 0.1)
    async with server.calling("Wait", timeout_seconds=1) as wait:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await wait(Text())
    failure = failure_from(caught.value)
    assert failure.kind is Kind.UNAVAILABLE
    assert failure.retry_after
    answered = [record for record in caplog.records if record.getMessage() == "rpc_answered"]
    assert len(answered) <= 1  # its own line may come after its answer
