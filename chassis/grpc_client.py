"""Channels to other services, with deadlines, retries, identity and the trace.

catalog = CatalogServiceStub(await service.enter(channel(settings.catalog.address, token=token)))
try:
    reply = await catalog.ClaimVideoForUpload(request)
except grpc.aio.AioRpcError as error:
    raise failure_from(error) from error
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from chassis.auth import ServiceToken
from chassis.grpc_errors import failure_from, trace_id_from

__all__ = ["channel", "failure_from", "trace_id_from"]

TIMEOUT_SECONDS = 5.0


@asynccontextmanager
async def channel(
    address: str,
    *,
    token: ServiceToken | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
    retried: list[str] | None = None,
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to `address` (host:port; all addresses of the name in turn).

    A unary call without a timeout gets `timeout_seconds`. Calls that end UNAVAILABLE are tried up to 3 times within
    their deadline: every method, or those named in `retried` ("nextplay.upload.v1.UploadService/GetUpload"). With
    `token`, calls carry the service's identity. Each call carries the traceparent of the current span.
    """
    raise NotImplementedError
    yield
