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
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar

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
from chassis.kafka import begin_event
from chassis.metrics import OUTBOX_SENT, OUTBOX_SET_ASIDE
from chassis.postgres import Connection, Pool, acquire
from chassis.work import woken

QUERIES = queries.load("chassis")
LOCK = 0x6E706F62
BATCH = 1000
STANDBY_SECONDS = 2.0
PASS_ON_SECONDS = 0.01
RETRY_SECONDS = 1.0
REST_SECONDS = 3.0
MAX_RESTING = 10_000
SET_ASIDE_SECONDS = 300.0
REFUSED = (MessageSizeTooLargeError, InvalidTopicError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError)

T = TypeVar("T")
_KEY = itemgetter("topic", "key")

log = telemetry.logger(__name__)


async def relay(
    pool: Pool, producer: AIOKafkaProducer, *, wake: asyncio.Event, schema: str, poll_seconds: float = 1.0
) -> None:
    """Send what the outbox of `schema` holds, until cancelled. Run it in every instance: one at a time does the work.

    `wake` is set after a commit of this process. Who does not relay passes it on to who does, by NOTIFY apart from the
    commit, because commits that notify wait for each other. What is told to nobody is found by the poll.
    """
    channel = f"outbox_{schema}"
    while True:
        try:
            async with acquire(pool) as connection:
                if await connection.fetchval(QUERIES["lock_relay"], LOCK, schema):
                    log.info("relay_started", schema=schema)
                    try:
                        await connection.add_listener(channel, lambda *_: wake.set())
                        await _drain(connection, producer, wake, schema, poll_seconds)
                    finally:
                        connection.terminate()  # and with it the lock, which is the session's
                await connection.execute(QUERIES["wake_relay"], channel)
        except Unavailable as error:
            log.warning("relay_interrupted", schema=schema, reason=str(error))
        await asyncio.sleep(PASS_ON_SECONDS)  # one notification tells of all commits of this time
        await woken(wake, STANDBY_SECONDS)


async def _drain(
    connection: Connection, producer: AIOKafkaProducer, wake: asyncio.Event, schema: str, poll_seconds: float
) -> None:
    """Send batch after batch over the connection that holds the lock; ends only by an error of that connection."""
    loop = asyncio.get_running_loop()
    try_again_at, rested_at = loop.time(), 0.0
    resting: set[tuple[str, str]] = set()
    while True:
        if loop.time() >= try_again_at:
            await connection.execute(QUERIES["try_set_aside_again"])
            try_again_at = loop.time() + SET_ASIDE_SECONDS
        topics, keys = [topic for topic, _ in resting], [key for _, key in resting]
        rows = await connection.fetch(QUERIES["find_unsent"], BATCH, topics, keys)
        with tracing.joint_span(f"relay {schema}", [row["headers"] for row in rows]):
            result = await _send(producer, rows)
        if result.sent:
            await connection.execute(QUERIES["delete_sent"], [row["id"] for row in result.sent])
            sent = Counter((row["topic"], row["headers"]["ce_type"]) for row in result.sent)
            for (topic, kind), count in sent.items():
                OUTBOX_SENT.add(count, {"topic": topic, "type": kind})
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
            await woken(wake, poll_seconds)
        if (len(rows) < BATCH and loop.time() >= rested_at) or len(resting) > MAX_RESTING:
            resting.clear()


@dataclass(frozen=True)
class _Result:
    sent: list[asyncpg.Record] = field(default_factory=list)
    refused: list[tuple[asyncpg.Record, KafkaError]] = field(default_factory=list)
    failed: list[tuple[asyncpg.Record, Exception]] = field(default_factory=list)


async def _send(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record]) -> _Result:
    """Send the rows, the keys together and the rows of a key in turn, and wait for every acknowledgement."""
    result = _Result()
    by_topic = groupby(sorted(rows, key=itemgetter("topic", "id")), key=itemgetter("topic"))
    await asyncio.gather(*(_send_topic(producer, topic, list(group), result) for topic, group in by_topic))
    return result


async def _is_there(producer: AIOKafkaProducer, topic: str) -> bool:
    """True when the topic is known. Raises UnknownTopicOrPartitionError where a broker says that there is none, and
    another KafkaError while no broker can tell, which aiokafka calls an unknown topic too."""
    try:
        return bool(await producer.partitions_for(topic))
    except UnknownTopicOrPartitionError:
        cluster: Any = await producer.client.fetch_all_metadata()
        if topic in cluster.topics():
            return True
        raise


async def _send_topic(
    producer: AIOKafkaProducer, topic: str, waiting: Sequence[asyncpg.Record], result: _Result
) -> None:
    """Send the first rows of all keys, then the second ones, and so on. Without a task for each row, which costs as
    much as sending it; a producer takes what a whole batch holds of a partition, so that none waits for another."""

    async def settled(row: asyncpg.Record, step: Awaitable[T]) -> T | None:
        try:
            return await step
        except REFUSED as error:
            result.refused.append((row, error))
        except (KafkaError, TimeoutError, OSError) as error:
            result.failed.append((row, error))
        return None

    # Looked for once, and through the whole request timeout if it is not there.
    known = asyncio.ensure_future(_is_there(producer, topic))
    while waiting:
        firsts: dict[str, asyncpg.Record] = {}
        for row in waiting:
            firsts.setdefault(row["key"], row)
        begun = [
            (row, acknowledged)
            for row in firsts.values()
            if await settled(row, known) and (acknowledged := await settled(row, begin_event(producer, row)))
        ]
        sent = {row["key"]: row for row, acknowledged in begun if await settled(row, acknowledged)}
        result.sent.extend(sent.values())
        waiting = [row for row in waiting if sent.get(row["key"], row) is not row]
