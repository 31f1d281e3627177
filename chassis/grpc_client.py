"""Channels to other services, with deadlines, retries, identity and the trace.

catalog = CatalogServiceStub(await service.enter(channel(settings.catalog.address, token=token)))
try:
    reply = await catalog.ClaimVideoForUpload(request)
except grpc.aio.AioRpcError as error:
    raise failure_from(error) from error
"""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc

from chassis.auth import ServiceToken
from chassis.grpc_errors import failure_from, trace_id_from
from chassis.telemetry import traceparent_of_current_span

__all__ = ["channel", "failure_from", "trace_id_from"]

TIMEOUT_SECONDS = 5.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_RETRIES = {
    "maxAttempts": 3,
    "initialBackoff": "0.05s",
    "maxBackoff": "1s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}


@asynccontextmanager
async def channel(
    address: str,
    *,
    token: ServiceToken | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retried: Sequence[str] | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `address` (host:port; all addresses of the name in turn). It connects when it is first used.

    A unary call without a timeout gets `timeout_seconds`. Calls that end UNAVAILABLE are tried up to 3 times within
    their deadline: every method, or those named in `retried` ("nextplay.upload.v1.UploadService/GetUpload"). With
    `token`, calls carry the service's identity. Each call carries the traceparent of the current span.
    """
    options = [
        ("grpc.service_config", _service_config(retried)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
    ]
    sent = _Sent(token, timeout_seconds)
    interceptors = [_Unary(sent), _Stream(sent)]
    async with grpc.aio.insecure_channel(f"dns:///{address}", options=options, interceptors=interceptors) as opened:
        yield opened


def _service_config(retried: Sequence[str] | None) -> str:
    names = [{}] if retried is None else [_name(method) for method in retried]
    return json.dumps(
        {
            "loadBalancingConfig": [{"round_robin": {}}],
            "methodConfig": [{"name": names, "retryPolicy": _RETRIES}] if names else [],
            # When most calls fail, retries stop, so that they do not hold a struggling server down.
            "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.2},
        }
    )


def _name(method: str) -> dict[str, str]:
    service, _, name = method.rpartition("/")
    return {"service": service, "method": name}


@dataclass(frozen=True)
class _Sent:
    """What calls are given before they leave: identity, trace and, for unary ones, a deadline."""

    token: ServiceToken | None
    timeout_seconds: float

    def details(self, given: grpc.aio.ClientCallDetails, timeout: float | None) -> grpc.aio.ClientCallDetails:
        metadata = dict(given.metadata or ())
        if self.token is not None:
            metadata["authorization"] = f"Bearer {self.token.read()}"
        traceparent = traceparent_of_current_span()
        if traceparent is not None:
            metadata.setdefault("traceparent", traceparent)
        sent = grpc.aio.Metadata(*metadata.items())
        return grpc.aio.ClientCallDetails(given.method, timeout, sent, given.credentials, given.wait_for_ready)


class _Unary(grpc.aio.UnaryUnaryClientInterceptor):
    def __init__(self, sent: _Sent) -> None:
        self._sent = sent

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        timeout = client_call_details.timeout or self._sent.timeout_seconds
        return await continuation(self._sent.details(client_call_details, timeout), request)


class _Stream(grpc.aio.UnaryStreamClientInterceptor):
    def __init__(self, sent: _Sent) -> None:
        self._sent = sent

    async def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.aio.ClientCallDetails, request: Any
    ) -> Any:
        return await continuation(self._sent.details(client_call_details, client_call_details.timeout), request)
