"""The gRPC server of a context: identity, deadlines, errors, traces and metrics around every method.

A servicer is a plain class of the generated kind: `async def Method(self, request, context)`, an async generator for a
streaming reply. It raises `Failure`s, asks `chassis.auth.current_user()` who calls, and does nothing else about gRPC.
What a method asks of its caller and may fail with is its `(nextplay.api.v1.rpc)` option.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from chassis.auth import Verifier

Servicer = tuple[Callable[[Any, grpc.aio.Server], None], object]
"""The generated `add_…Servicer_to_server` and the servicer."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
UNARY_SECONDS = 30.0
STREAM_SECONDS = 3600.0


def idempotency_key() -> str | None:
    """The Idempotency-Key of the present call, or None."""
    raise NotImplementedError


@asynccontextmanager
async def grpc_server(
    bind: str, servicers: Sequence[Servicer], verifier: Verifier, *, stopping: asyncio.Event
) -> AsyncIterator[int]:
    """Serve until the block ends; yields the port. Open it last: it takes calls at once.

    When `stopping` is set, health says NOT_SERVING; at the end of the block running calls have 10 s to finish, and
    streams are ended with UNAVAILABLE, so that their clients resume elsewhere.

    Raises `ValueError` if a method has no `rpc` option, `OSError` if the address cannot be bound.
    """
    raise NotImplementedError
    yield 0
