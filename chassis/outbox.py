"""The relay: takes committed events from the outbox to Kafka, at least once and in order per key.

Why the order holds:
- A use case locks its aggregate's row before it writes the outbox, so for one key ids are committed in their order.
  Across keys they are not, so each look takes whatever is unsent, from the lowest id on.
- One relay drains a schema at a time: it holds an advisory lock with the connection it reads by.
- Rows of one key are sent one after the other, each after the acknowledgement of the one before; different keys go
  together. A row that fails stops the rows of its key behind it, and its key is left out until the others had their
  turn, so that one partition without a leader holds up no other. (aiokafka keeps a partition's order over its own
  retries, but a batch that expires is given up while a later one may pass.)
- A row may be sent twice: when its acknowledgement or its deletion is lost. Its first copy is still in order, and
  consumers drop the later ones by the event's id.

A row that Kafka refuses for good (too large, no such topic) is set aside with the reason: rows of its key wait, other
keys go on, a metric and an error line say so. It is tried again every five minutes, in case the broker was mended.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from chassis import queries, telemetry, tracing
from chassis.errors import Unavailable
from chassis.kafka import send_event
from chassis.metrics import OUTBOX_SENT, OUTBOX_SET_ASIDE
from chassis.postgres import Connection, Pool, acquire

QUERIES = queries.load("chassis")
LOCK = 0x6E706F62
BATCH = 200
STANDBY_SECONDS = 2.0
RETRY_SECONDS = 1.0
REST_SECONDS = 3.0
MAX_RESTING = 10_000
SET_ASIDE_SECONDS = 300.0
BUSY_SECONDS, BUSY_POLL_SECONDS = 60.0, 0.1
REFUSED = (
    MessageSizeTooLargeError,
    InvalidTopicError,
    TopicAuthorizationFailedError,
    # Raised after the topic was looked for through the whole request timeout.
    UnknownTopicOrPartitionError,
)

_KEY = itemgetter("topic", "key")

log = telemetry.logger(__name__)


async def relay(
    pool: Pool, producer: AIOKafkaProducer, *, wake: asyncio.Event, schema: str, poll_seconds: float = 1.0
) -> None:
    """Send what the outbox of `schema` holds, until cancelled. Run it in every instance: one at a time does the work.

    `wake` is set after a commit of this process; what other processes of the context wrote is found by the poll, which
    looks more often for a minute after it found something.
    """
    while True:
        try:
            async with acquire(pool) as connection:
                if await connection.fetchval(QUERIES["lock_relay"], LOCK, schema):
                    log.info("relay_started", schema=schema)
                    try:
                        await _drain(connection, producer, wake, schema, poll_seconds)
                    finally:
                        connection.terminate()  # and with it the lock, which is the session's
        except Unavailable as error:
            log.warning("relay_interrupted", schema=schema, reason=str(error))
        await asyncio.sleep(STANDBY_SECONDS)


async def _drain(
    connection: Connection, producer: AIOKafkaProducer, wake: asyncio.Event, schema: str, poll_seconds: float
) -> None:
    """Send batch after batch over the connection that holds the lock; ends only by an error of that connection."""
    loop = asyncio.get_running_loop()
    try_again_at, busy_until, rested_at = loop.time(), 0.0, 0.0
    resting: set[tuple[str, str]] = set()
    while True:
        if loop.time() >= try_again_at:
            await connection.execute(QUERIES["try_set_aside_again"])
            try_again_at = loop.time() + SET_ASIDE_SECONDS
        wake.clear()
        topics, keys = [topic for topic, _ in resting], [key for _, key in resting]
        rows = await connection.fetch(QUERIES["find_unsent"], BATCH, topics, keys)
        busy_until = loop.time() + BUSY_SECONDS if rows else busy_until
        with tracing.joint_span(f"relay {schema}", [row["headers"] for row in rows]):
            result = await _send(producer, rows)
        if result.sent:
            await connection.execute(QUERIES["delete_sent"], result.sent)
        for row, error in result.refused:
            log.error("event_set_aside", id=row["id"], topic=row["topic"], key=row["key"], reason=type(error).__name__)
            OUTBOX_SET_ASIDE.add(1, {"topic": row["topic"], "reason": type(error).__name__})
            await connection.execute(QUERIES["set_aside"], row["id"], f"{type(error).__name__}: {error}")
        if result.failed:
            log.warning("events_not_sent", schema=schema, keys=len(result.failed), reason=repr(result.failed[0][1]))
            resting.update(_KEY(row) for row, _ in result.failed)
            rested_at = loop.time() + REST_SECONDS
            await asyncio.sleep(RETRY_SECONDS)
        elif len(rows) < BATCH:
            busy = loop.time() < busy_until
            # Not `wait_for`, which in Python 3.11 may swallow a cancellation that comes together with the wake.
            with suppress(TimeoutError):
                async with asyncio.timeout(BUSY_POLL_SECONDS if busy else poll_seconds):
                    await wake.wait()
        if (len(rows) < BATCH and loop.time() >= rested_at) or len(resting) > MAX_RESTING:
            resting.clear()


@dataclass(frozen=True)
class _Result:
    sent: list[int] = field(default_factory=list)
    refused: list[tuple[asyncpg.Record, KafkaError]] = field(default_factory=list)
    failed: list[tuple[asyncpg.Record, Exception]] = field(default_factory=list)


async def _send(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> _Result:
    """Send the rows, the keys together and the rows of a key in turn, and wait for every acknowledgement."""
    result = _Result()

    async def send_key(of_one_key: Sequence[asyncpg.Record]) -> None:
        for row in of_one_key:
            try:
                await send_event(producer, row["topic"], row["key"], row["headers"], row["data"])
            except REFUSED as error:
                result.refused.append((row, error))
                return
            except (KafkaError, TimeoutError, OSError) as error:
                result.failed.append((row, error))
                return
            result.sent.append(row["id"])
            OUTBOX_SENT.add(1, {"topic": row["topic"], "type": row["headers"]["ce_type"]})

    by_key = groupby(sorted(rows, key=itemgetter("topic", "key", "id")), key=_KEY)
    await asyncio.gather(*(send_key(list(group)) for _, group in by_key))
    return result
