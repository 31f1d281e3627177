"""Idempotency-Key: a command sent twice has one effect and one reply, for 24 hours, per user and method.

The key is reserved before the command begins, together with the ids that the command will use, and the reply is
stored in the command's last transaction. A command that dies in between leaves a reservation that the next try takes
over with the same ids, so that what already happened is found again instead of done again.

    ids = {"upload_id": new_id(), "video_id": new_id()}
    async with reserve(
        pool, key=idempotency_key(), user_id=…, method="InitiateUpload", request=request, reply_type=Reply, ids=ids
    ) as outcome:
        if isinstance(outcome, Replay):
            return outcome.reply
        …with outcome.ids…
        async with begin() as tx:
            …
            await store_reply(tx.connection, outcome, reply)
    return reply
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from chassis import queries
from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind, Unavailable
from chassis.postgres import Connection, Pool, acquire, delete_in_portions

QUERIES = queries.load("chassis")

MAX_KEY_LENGTH = 255
LEASE_SECONDS = 30.0

M = TypeVar("M", bound=Message)


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
    """Carry the command out, with these ids. From the second `attempt` on, an earlier one may have begun with them."""

    ids: Mapping[str, UUID]
    user_id: UUID
    method: str
    key: str | None
    attempt: int


@dataclass(frozen=True)
class Replay(Generic[M]):
    """The command was carried out before; this was its reply."""

    reply: M


@asynccontextmanager
async def reserve(
    pool: Pool,
    *,
    key: str | None,
    user_id: UUID,
    method: str,
    request: Message,
    reply_type: type[M],
    ids: Mapping[str, UUID],
) -> AsyncIterator[Reserved | Replay[M]]:
    """Reserve the call's Idempotency-Key for the length of the block.

    Yields Replay when the reply is stored; Reserved with the given ids, or with those of an earlier try that did not
    finish. A block that raises gives the key back at once, keeping its ids; a process that dies, after 30 s. One whose
    first try raises InvalidArgument leaves a key as if it had never been used, so that it is good for a corrected body.
    Without a key (None): Reserved with the given ids, and nothing is stored.
    Raises IdempotencyMismatch, RequestInFlight, InvalidArgument (the key is not 1-255 printable ASCII characters),
    Unavailable.
    """
    if key is None:
        yield Reserved(ids, user_id, method, key=None, attempt=1)
        return
    if (others := sum(not " " <= one <= "~" for one in key)) or not 1 <= len(key) <= MAX_KEY_LENGTH:
        rule = f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters, has {len(key)}, {others} of another kind"
        raise InvalidArgument(fields=[FieldViolation("Idempotency-Key", rule)])
    request_hash = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    wanted = {name: str(value) for name, value in ids.items()}
    async with acquire(pool) as connection:
        row = await connection.fetchrow(
            QUERIES["reserve_key"], user_id, method, key, request_hash, wanted, LEASE_SECONDS
        )
        if row is None:
            known = await connection.fetchrow(QUERIES["find_key"], user_id, method, key)
            reply = _reply_of(known, request_hash)
    if row is None:
        yield Replay(reply_type.FromString(reply))
        return
    reserved_ids = {name: UUID(value) for name, value in row["ids"].items()}
    reserved = Reserved(reserved_ids, user_id, method, key, row["attempt"])
    try:
        yield reserved
    except BaseException as error:
        await asyncio.shield(_release(pool, reserved, refused=isinstance(error, InvalidArgument)))
        raise


async def store_reply(connection: Connection, reserved: Reserved, reply: Message) -> None:
    """Keep the reply, in the command's last transaction. Does nothing without a key; of two tries the first wins."""
    if reserved.key is not None:
        await connection.execute(
            QUERIES["store_reply"], reserved.user_id, reserved.method, reserved.key, reply.SerializeToString()
        )


async def delete_expired_keys(pool: Pool) -> int:
    """Delete keys older than 24 hours, and say how many: a job, repeatable at any time."""
    return await delete_in_portions(pool, QUERIES["delete_expired_keys"])


def _reply_of(known: asyncpg.Record | None, request_hash: bytes) -> bytes:
    if known is not None and known["request_hash"] != request_hash:
        raise IdempotencyMismatch
    if known is None or known["reply"] is None:
        raise RequestInFlight(retry_after=max(1.0, known["free_in"] if known else 1.0))
    return cast(bytes, known["reply"])


async def _release(pool: Pool, reserved: Reserved, *, refused: bool) -> None:
    """Let the next try begin at once. When the database is away, it begins when the lease has ended."""
    with suppress(Unavailable):
        async with acquire(pool) as connection:
            await connection.execute(
                QUERIES["release_key"], reserved.user_id, reserved.method, reserved.key, reserved.attempt, refused
            )
