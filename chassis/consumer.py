"""Consumers: an event and its inbox row are applied in one transaction, the offset is committed afterwards.

A partition's events are applied in order, one at a time; partitions go on beside each other. The poll loop never
waits for an event, so the consumer keeps its place in the group however long one is retried. Offsets are committed
every half second and when partitions move; what is delivered again after a crash is recognised by its inbox row.

| what happens                                  | what the consumer does                                            |
|-----------------------------------------------|-------------------------------------------------------------------|
| the type is not among the handlers            | skips it: a newer producer, or nobody here cares                  |
| the handler raises NotYet                     | tries again with backoff for `not_yet_seconds`, then dead letter  |
| Unavailable, DeadlineExceeded, or 30 s passed | tries again with backoff, until it works                          |
| the handler raises anything else              | tries three times, then dead letter                               |
| the record is not an event                    | dead letter                                                       |
| more than `max_dead_letters` in ten minutes   | applies nothing any more; readiness says why an operator must act |
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from google.protobuf.message import Message
from opentelemetry import trace

from chassis import queries, telemetry
from chassis.clock import utc_now
from chassis.dead_letters import send_dead_letter
from chassis.errors import DeadlineExceeded, Unavailable
from chassis.events import EventMeta, Undecodable, decode, header_text, topic_of, trace_context
from chassis.kafka import connection_options, started
from chassis.metrics import CONSUMER_LAG, EVENT_DELAY, EVENT_IN_WORK, EVENTS_HANDLED, EVENTS_RETRIED
from chassis.postgres import Pool, acquire
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx

QUERIES = queries.load("chassis")
POLL_MS = 250
SESSION_MS = 6_000  # the shortest that Kafka's defaults allow: how long a killed member's partitions lie idle
COMMIT_SECONDS = 0.5
ATTEMPT_SECONDS = 30.0
PERMANENT_TRIES = 3
MAX_BACKOFF_SECONDS = 10.0
DEAD_LETTER_WINDOW_SECONDS = 600.0
SILENT_SECONDS = 60.0
STUCK_SECONDS = 120.0

S = TypeVar("S")

log = telemetry.logger(__name__)
tracer = trace.get_tracer("nextplay.chassis")

Handler: TypeAlias = Callable[[Any, Tx[S], EventMeta], Awaitable[None]]
"""`async def on_upload_completed(event: UploadCompleted, tx: Tx[Store], meta: EventMeta) -> None`: database only, no
other I/O. The table above says what it may raise."""


class NotYet(Exception):
    """The event cannot be applied yet, because a fact it builds on has not arrived. Nothing is kept of this try."""


class TooManyDeadLetters(Exception):
    """So much cannot be applied that something else must be wrong."""


async def apply_once(begin: Begin[S], consumer: str, meta: EventMeta, event: Message, handler: Handler[S]) -> bool:
    """Apply the event unless this consumer did already, by whatever way it came; False for a repeat.

    The inbox row and the handler's changes commit together. Two deliveries at once: the second waits for the first.
    """
    async with begin() as tx:
        if not await tx.connection.fetchval(QUERIES["insert_inbox"], consumer, meta.id):
            return False
        await handler(event, tx, meta)
    return True


async def forget_applied_events(pool: Pool, *, days: int = 30) -> int:
    """Delete inbox rows older than `days`, and say how many: a job. Longer than any topic or dead letter is kept."""
    forgotten = 0
    async with acquire(pool) as connection:
        while portion := int((await connection.execute(QUERIES["forget_inbox"], days)).split()[-1]):
            forgotten += portion
    return forgotten


class ConsumerHealth:
    """What a consumer tells about itself: `service.check("consumer", health.check)`."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        self._polled = time.monotonic()
        self._in_work: dict[TopicPartition, tuple[int, float]] = {}

    async def check(self) -> None:
        """Raises Unavailable, naming partition and offset, when the consumer stopped, is silent or is stuck."""
        now = time.monotonic()
        if self.stopped:
            raise Unavailable(self.stopped)
        if now - self._polled > SILENT_SECONDS:
            raise Unavailable(f"The consumer has not polled for {now - self._polled:.0f} s.")
        for partition, (offset, since) in self._in_work.items():
            if now - since > STUCK_SECONDS:
                where = f"{partition.topic}[{partition.partition}] offset {offset}"
                raise Unavailable(f"The event at {where} has been tried for {now - since:.0f} s.")

    def polled(self) -> None:
        self._polled = time.monotonic()

    def begins(self, partition: TopicPartition, offset: int) -> None:
        """An event is in work; called again, its time counts anew: one that waits for another is not stuck."""
        self._in_work[partition] = (offset, time.monotonic())

    def ended(self, partition: TopicPartition) -> None:
        self._in_work.pop(partition, None)

    @property
    def oldest_in_work_seconds(self) -> float:
        now = time.monotonic()
        return max((now - since for _, since in self._in_work.values()), default=0.0)


async def consume(
    settings: KafkaSettings,
    *,
    name: str,
    handlers: Mapping[type[Message], Handler[S]],
    begin: Begin[S],
    producer: AIOKafkaProducer,
    health: ConsumerHealth,
    not_yet_seconds: float = 600.0,
    max_dead_letters: int = 20,
) -> None:
    """Apply the events of `handlers` (their topics follow from their types) until cancelled.

    `name` is the consumer group and the consumer's name in the inbox; a new group begins at the earliest event.
    `producer` sends dead letters. A broker that is away is waited for.
    """
    by_name = {event.DESCRIPTOR.full_name: (event, handler) for event, handler in handlers.items()}
    types = {full_name: event for full_name, (event, _) in by_name.items()}
    dead = deque[float](maxlen=max_dead_letters)

    async def apply(record: ConsumerRecord[bytes, bytes]) -> None:
        """Deal with one record for good. Raises TooManyDeadLetters."""
        headers = header_text(record.headers)
        labels = {"consumer": name, "type": headers.get("ce_type", "")}
        try:
            decoded = decode(headers, record.value, types)
        except Undecodable as error:
            await bury(record, labels, str(error))
            return
        if decoded is None:
            EVENTS_HANDLED.add(1, {**labels, "outcome": "skipped"})
            return
        meta, event = decoded
        with tracer.start_as_current_span(
            f"apply {meta.type}", context=trace_context(headers), kind=trace.SpanKind.CONSUMER
        ):
            reason = await apply_patiently(record, meta, event, labels)
            if reason:
                await bury(record, labels, reason)

    async def apply_patiently(
        record: ConsumerRecord[bytes, bytes], meta: EventMeta, event: Message, labels: dict[str, str]
    ) -> str | None:
        """Try until the event is applied (None), or there is a reason to give it up."""
        partition = TopicPartition(record.topic, record.partition)
        started_at, failures, delay = time.monotonic(), 0, 0.1
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    applied = await apply_once(begin, name, meta, event, by_name[meta.type][1])
                EVENTS_HANDLED.add(1, {**labels, "outcome": "applied" if applied else "repeated"})
                EVENT_DELAY.record(max(0.0, (utc_now() - meta.time).total_seconds()), labels)
                return None
            except NotYet as error:
                problem: Exception = error
                health.begins(partition, record.offset)
                if time.monotonic() - started_at > not_yet_seconds:
                    return f"could not be applied for {not_yet_seconds:g} s: {error}"
            except (Unavailable, DeadlineExceeded, TimeoutError) as error:
                problem = error
            except Exception as error:
                problem, failures = error, failures + 1
                if failures == PERMANENT_TRIES:
                    log.error("event_failed", consumer=name, type=meta.type, event_id=meta.id)
                    return f"{type(error).__name__}: {error}"
            EVENTS_RETRIED.add(1, {**labels, "error": type(problem).__name__})
            log.warning("event_retried", consumer=name, type=meta.type, event_id=meta.id, reason=repr(problem))
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, MAX_BACKOFF_SECONDS)

    async def bury(record: ConsumerRecord[bytes, bytes], labels: dict[str, str], reason: str) -> None:
        """Send the record to the dead letters, for as long as it takes, unless there were too many."""
        now = time.monotonic()
        if len(dead) == max_dead_letters and now - dead[0] < DEAD_LETTER_WINDOW_SECONDS:
            raise TooManyDeadLetters(
                f"Consumer {name} stopped: more than {max_dead_letters} dead letters in "
                f"{DEAD_LETTER_WINDOW_SECONDS / 60:.0f} minutes; the next is {record.topic}[{record.partition}] "
                f"offset {record.offset}."
            )
        dead.append(now)
        log.error("event_dead_lettered", consumer=name, topic=record.topic, offset=record.offset, reason=reason)
        while True:
            try:
                await send_dead_letter(producer, record, consumer=name, reason=reason)
                break
            except KafkaError as error:
                log.warning("dead_letter_not_sent", consumer=name, reason=repr(error))
                await asyncio.sleep(MAX_BACKOFF_SECONDS / 2)
        EVENTS_HANDLED.add(1, {**labels, "outcome": "dead_lettered"})

    topics = sorted({topic_of(event) for event in handlers})
    while True:
        try:
            await _consume_as_member(settings, name, topics, apply, health)
        except KafkaError as error:
            log.warning("consumer_restarted", consumer=name, reason=repr(error))
            await asyncio.sleep(1.0)
        except TooManyDeadLetters as error:
            health.stopped = str(error)
            log.error("consumer_stopped", consumer=name)
            await asyncio.Event().wait()


async def _consume_as_member(
    settings: KafkaSettings,
    name: str,
    topics: list[str],
    apply: Callable[[ConsumerRecord[bytes, bytes]], Awaitable[None]],
    health: ConsumerHealth,
) -> None:
    """Be a member of the group until something raises."""
    consumer = AIOKafkaConsumer(
        **connection_options(settings),
        group_id=name,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=256 * 1024,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 3,
    )
    partitions = _Partitions(name, consumer, apply, health)
    await started(consumer)
    try:
        consumer.subscribe(topics, listener=partitions)
        while True:
            for partition, records in (await consumer.getmany(timeout_ms=POLL_MS)).items():
                partitions.hand(partition, records)
            health.polled()
            await partitions.look_after()
    finally:
        await partitions.on_partitions_revoked(set())
        await consumer.stop()


class _Partitions(ConsumerRebalanceListener):
    """The partitions this member has: for each that has records in hand one task, during which it is paused."""

    def __init__(
        self,
        name: str,
        consumer: AIOKafkaConsumer,
        apply: Callable[[ConsumerRecord[bytes, bytes]], Awaitable[None]],
        health: ConsumerHealth,
    ) -> None:
        self._name = name
        self._consumer = consumer
        self._apply = apply
        self._health = health
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._done: dict[TopicPartition, int] = {}
        self._committed_at = time.monotonic()

    def hand(self, partition: TopicPartition, records: list[ConsumerRecord[bytes, bytes]]) -> None:
        """Begin to apply records of a partition, and ask the broker for no more of it until they are applied."""
        self._consumer.pause(partition)
        self._tasks[partition] = asyncio.create_task(self._work(partition, records))

    async def look_after(self) -> None:
        """Resume partitions whose records are applied, commit what is due. Raises what a task raised."""
        for partition in [partition for partition, task in self._tasks.items() if task.done()]:
            self._tasks.pop(partition).result()
            self._consumer.resume(partition)
        EVENT_IN_WORK.set(self._health.oldest_in_work_seconds, {"consumer": self._name})
        if time.monotonic() - self._committed_at > COMMIT_SECONDS:
            await self._commit()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Stop all work and commit: in this protocol a rebalance takes every partition away for a moment."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._commit()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info(
            "partitions_assigned", consumer=self._name, partitions=sorted(f"{p.topic}[{p.partition}]" for p in assigned)
        )

    async def _work(self, partition: TopicPartition, records: list[ConsumerRecord[bytes, bytes]]) -> None:
        try:
            for record in records:
                self._health.begins(partition, record.offset)
                await self._apply(record)
                self._done[partition] = record.offset + 1
        finally:
            self._health.ended(partition)

    async def _commit(self) -> None:
        """Commit what was applied. A failure is not repeated: the next commit says more, and repeats are recognised."""
        self._committed_at = time.monotonic()
        done, self._done = self._done, {}
        for partition, offset in done.items():
            end = self._consumer.highwater(partition)
            labels: dict[str, str | int] = {
                "consumer": self._name,
                "topic": partition.topic,
                "partition": partition.partition,
            }
            CONSUMER_LAG.set(max(0, (end or offset) - offset), labels)
        try:
            if done:
                await self._consumer.commit(done)
        except KafkaError as error:
            log.warning("offsets_not_committed", consumer=self._name, reason=repr(error))


SignalHandler: TypeAlias = Callable[[Any, EventMeta], Awaitable[None]]


async def handle_signals(settings: KafkaSettings, *, handlers: Mapping[type[Message], SignalHandler]) -> None:
    """Give each signal from now on to its handler, in every instance, until cancelled.

    Lossy: no inbox, no offsets, no repetition. A handler that raises is logged; a broker that is away is waited for.
    """
    types = {event.DESCRIPTOR.full_name: event for event in handlers}
    while True:
        consumer = AIOKafkaConsumer(
            **connection_options(settings), enable_auto_commit=False, auto_offset_reset="latest"
        )
        try:
            await started(consumer)
            consumer.subscribe(sorted({topic_of(event) for event in handlers}))
            async for record in consumer:
                await _handle_signal(record, types, handlers)
        except KafkaError as error:
            log.warning("signals_interrupted", reason=repr(error))
            await asyncio.sleep(1.0)
        finally:
            await consumer.stop()


async def _handle_signal(
    record: ConsumerRecord[bytes, bytes],
    types: Mapping[str, type[Message]],
    handlers: Mapping[type[Message], SignalHandler],
) -> None:
    try:
        decoded = decode(header_text(record.headers), record.value, types)
        if decoded:
            meta, signal = decoded
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await handlers[type(signal)](signal, meta)
    except Exception as error:
        log.warning("signal_failed", topic=record.topic, reason=repr(error))
