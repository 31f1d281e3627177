"""Channels to other services, with deadlines, retries, identity and the trace.

    catalog = CatalogServiceStub(await service.enter(channel(settings.catalog.address, token=token)))
    try:
        reply = await catalog.ClaimVideoForUpload(request)
    except grpc.aio.AioRpcError as error:
        raise failure_from(error) from error

`failure_from` gives the callee's own failure; raise it on, or one of one's own that says more.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
from opentelemetry.trace import SpanKind

from chassis.auth import ServiceToken
from chassis.grpc_errors import failure_from as failure_from
from chassis.tracing import about, carried, failed, span

TIMEOUT_SECONDS = 5.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),  # 30 s, in which all that one knew may have been replaced
]
_BACKOFF = {"initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 3}
_RETRIES = {"maxAttempts": 3, "retryableStatusCodes": ["UNAVAILABLE"], **_BACKOFF}


def channel(
    address: str, *, token: ServiceToken | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> AbstractAsyncContextManager[grpc.aio.Channel]:
    """A channel to `address`: host:port, all addresses of the name in turn, or several as `ipv4:host:port,host:port`.

    It connects when it is first used.

    A unary call without a timeout gets `timeout_seconds`. Calls that end UNAVAILABLE are tried up to 3 times within
    their deadline. With `token`, calls carry the service's identity. Each call has a span and carries its trace.
    """
    return plain_channel(address, added=[_Unary(token, timeout_seconds)])


@asynccontextmanager
async def plain_channel(
    address: str, *, retried: Sequence[str] | None = None, added: Sequence[grpc.aio.ClientInterceptor] = ()
) -> AsyncIterator[grpc.aio.Channel]:
    """The same for who gives each call its deadline, identity, span and trace: interceptors cost a call a task.

    Tried again is every method, or those named in `retried` ("nextplay.upload.v1.UploadService/GetUpload").
    """
    options = [*_OPTIONS, ("grpc.service_config", _service_config(retried))]
    async with grpc.aio.insecure_channel(address, options=options, interceptors=added) as opened:
        yield opened


def _service_config(retried: Sequence[str] | None) -> str:
    split = [method.rpartition("/") for method in retried or ()]
    names = [{}] if retried is None else [{"service": service, "method": method} for service, _, method in split]
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},  # an instance that stops tells by it that it wants no more calls
        "methodConfig": [{"name": names, "retryPolicy": _RETRIES}] if names else [],
        # When most calls fail, retries stop, so that they do not hold a struggling server down.
        "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
    }
    return json.dumps(config)


@dataclass(frozen=True)
class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    """Lets a call leave with the service's identity, the trace and a deadline."""

    token: ServiceToken | None
    timeout_seconds: float

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        given = client_call_details
        metadata = dict(given.metadata or ())
        if self.token is not None:
            metadata["authorization"] = f"Bearer {self.token.read()}"
        with suppress(grpc.aio.AioRpcError), call_span(given.method, request):
            timeout = given.timeout or self.timeout_seconds
            sent = grpc.aio.Metadata(*(metadata | carried()).items())
            details = grpc.aio.ClientCallDetails(given.method, timeout, sent, given.credentials, given.wait_for_ready)
            call = await continuation(details, request)
            await call
        return call


@contextmanager
def call_span(method: str | bytes, request: Any, *, told: bool = True) -> Iterator[None]:
    """A span around a call to `method` ("/nextplay.upload.v1.UploadService/GetUpload"), which tells how it ended; none
    if the call is not to be `told`. The span around it learns what the call is about."""
    context = about(request)
    if not told:
        yield
        return
    name = (method if isinstance(method, str) else method.decode()).removeprefix("/")
    known = {"rpc.system.name": "grpc", "rpc.method": name}
    with span(name, SpanKind.CLIENT, known, context=context, marks_errors=False) as called:
        try:
            yield
            called.set_attribute("rpc.response.status_code", "OK")
        except grpc.aio.AioRpcError as error:
            called.set_attribute("rpc.response.status_code", error.code().name)
            failed(called, error.code().name)
            raise
