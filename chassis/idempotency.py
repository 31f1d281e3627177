"""Idempotency-Key: a command sent twice has one effect and one reply, for 24 hours, per user and method.

The key is reserved before the command begins, together with the ids that the command will use, and the reply is
stored in the command's last transaction. A command that dies in between leaves a reservation that the next try takes
over with the same ids, so that what already happened is found again instead of done again.

    ids = {"upload_id": new_id(), "video_id": new_id()}
    async with reserve(pool, user_id=…, method="InitiateUpload", request=request, reply_type=Reply, ids=ids) as key:
        if isinstance(key, Replay):
            return key.reply
        …with key.ids…
        async with begin() as tx:
            …
            await store_reply(tx.connection, key, reply)
    return reply
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from google.protobuf.message import Message

from chassis import queries
from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind
from chassis.postgres import Connection, Pool

QUERIES = queries.load("chassis")

KEY_METADATA = "idempotency-key"
MAX_KEY_LENGTH = 255
LEASE_SECONDS = 30.0

M = TypeVar("M", bound=Message)

current_key: ContextVar[str | None] = ContextVar("idempotency_key", default=None)
"""The raw `idempotency-key` metadata of the call in progress; the gRPC server sets it."""


class IdempotencyMismatch(
    Failure,
    kind=Kind.UNPROCESSABLE,
    code="IDEMPOTENCY_MISMATCH",
    next_action="Send the original body with this key, or a new key with this body.",
):
    """This Idempotency-Key was used for another request in the last 24 hours."""


class RequestInFlight(
    Failure,
    kind=Kind.CONFLICT,
    code="REQUEST_IN_FLIGHT",
    next_action="Wait for the first request, or send the same request again after Retry-After.",
):
    """A request with this Idempotency-Key is being worked on at this moment."""


@dataclass(frozen=True)
class Reserved:
    """Carry the command out, with these ids. `fresh` is False when an earlier try may have begun with them."""

    ids: Mapping[str, UUID]
    fresh: bool
    user_id: UUID
    method: str
    key: str | None
    attempt: int


@dataclass(frozen=True)
class Replay(Generic[M]):
    """The command was carried out before; this was its reply."""

    reply: M


def idempotency_key() -> str | None:
    """The key of the call in progress, or None without one. Raises InvalidArgument unless 1-255 printable ASCII."""
    key = current_key.get()
    if key is not None and not (1 <= len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        said = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters, has {len(key)} characters"
        raise InvalidArgument(fields=[FieldViolation("Idempotency-Key", said)])
    return key


@asynccontextmanager
async def reserve(
    pool: Pool, *, user_id: UUID, method: str, request: Message, reply_type: type[M], ids: Mapping[str, UUID]
) -> AsyncIterator[Reserved | Replay[M]]:
    """Reserve the call's key, if it has one, for the length of the block.

    Yields Replay when the reply is stored; Reserved with the given ids, or with those of an earlier try that did not
    finish. A block that raises gives the key back at once (with its ids); a process that dies, after 30 s.
    Without a key: Reserved with the given ids, and nothing is stored.
    Raises IdempotencyMismatch, RequestInFlight, InvalidArgument, Unavailable.
    """
    raise NotImplementedError
    yield


async def store_reply(connection: Connection, reserved: Reserved, reply: Message) -> None:
    """Keep the reply, in the command's last transaction. Does nothing without a key or when it was taken over."""
    raise NotImplementedError


async def delete_expired_keys(pool: Pool) -> int:
    """Delete keys older than 24 hours, and say how many: a job, any time, repeatable."""
    raise NotImplementedError


def _hash(request: Message) -> bytes:
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
