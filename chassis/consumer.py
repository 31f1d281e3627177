"""Consumers: an event and its inbox row are applied in one transaction, the offset is committed afterwards.

A partition's events are applied in order, one at a time; partitions go on beside each other (chassis/group_member).
What is delivered again after a crash is recognised by its inbox row.

| what happens                                  | what the consumer does                                            |
|-----------------------------------------------|-------------------------------------------------------------------|
| the type is not among the handlers            | skips it: a newer producer, or nobody here cares                  |
| the handler raises NotYet                     | tries again with backoff for `not_yet_seconds`, then dead letter  |
| Unavailable, DeadlineExceeded, a right missed | tries again with backoff, until it works                          |
| a statement runs into its timeout, or 30 s    | tries again with backoff, 20 times, then dead letter              |
| the handler raises anything else              | tries three times, then dead letter                               |
| the record is not an event                    | dead letter                                                       |
| more than `max_dead_letters` in ten minutes   | applies nothing any more; readiness says why an operator must act |
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

import asyncpg
import stamina
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind, get_current_span

from chassis import queries, telemetry, tracing
from chassis.clock import utc_now
from chassis.dead_letters import send_dead_letter
from chassis.errors import DeadlineExceeded, Unavailable
from chassis.events import EventMeta, Undecodable, decode, header_text, topic_of
from chassis.group_member import ConsumerHealth as ConsumerHealth
from chassis.group_member import Record, be_member
from chassis.kafka import about_event
from chassis.metrics import EVENT_DELAY, EVENTS_HANDLED, EVENTS_RETRIED
from chassis.postgres import Pool, delete_in_portions
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx

QUERIES = queries.load("chassis")
ATTEMPT_SECONDS = 30.0
PERMANENT_TRIES = 3
SLOW_TRIES = 20
MAX_BACKOFF_SECONDS = 10.0
DEAD_LETTER_WINDOW_SECONDS = 600.0

S = TypeVar("S")

log = telemetry.logger(__name__)

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
    return await delete_in_portions(pool, QUERIES["forget_inbox"], days)


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
    buried_at = deque[float](maxlen=max_dead_letters)
    application = _Application(name, handlers, begin, producer, health, not_yet_seconds, buried_at)
    topics = sorted({topic_of(event) for event in handlers})
    while True:
        try:
            await be_member(settings, name, topics, application.apply, health)
        except KafkaError as error:
            log.warning("consumer_restarted", consumer=name, reason=repr(error))
            await asyncio.sleep(1.0)
        except TooManyDeadLetters as error:
            health.stopped = str(error)
            log.error("consumer_stopped", consumer=name)
            await asyncio.Event().wait()


@dataclass(frozen=True)
class _Application(Generic[S]):
    """What is done about one record; see the table above."""

    consumer: str
    handlers: Mapping[type[Message], Handler[S]]
    begin: Begin[S]
    producer: AIOKafkaProducer
    health: ConsumerHealth
    not_yet_seconds: float
    buried_at: deque[float]

    async def apply(self, record: Record) -> None:
        """Deal with a record for good. Raises TooManyDeadLetters."""
        headers = header_text(record.headers)
        labels = {"consumer": self.consumer, "type": headers.get("ce_type", "")}
        try:
            decoded = decode(headers, record.value, self.handlers)
        except Undecodable as error:
            await self._bury(record, labels, str(error))
            return
        if decoded is None:
            EVENTS_HANDLED.add(1, {**labels, "outcome": "skipped"})
            return
        meta, event = decoded
        about: tracing.Attributes = {
            **about_event("process", record.topic, headers),
            "messaging.consumer.group.name": self.consumer,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        }
        came_with = tracing.received(headers, event)
        with tracing.span(f"process {record.topic}", SpanKind.CONSUMER, about, context=came_with) as span:
            reason = await self._apply_patiently(record, meta, event, labels)
            if reason:
                tracing.failed(span, "dead_lettered")
                await self._bury(record, labels, reason)

    async def _apply_patiently(
        self, record: Record, meta: EventMeta, event: Message, labels: dict[str, str]
    ) -> str | None:
        """Try until the event is applied (None), or there is a reason to give it up."""
        handler = self.handlers[type(event)]
        give_up_at, delay, failures, slow = time.monotonic() + self.not_yet_seconds, 0.1, 0, 0
        while True:
            try:
                async with asyncio.timeout(ATTEMPT_SECONDS):
                    applied = await apply_once(self.begin, self.consumer, meta, event, handler)
                EVENTS_HANDLED.add(1, {**labels, "outcome": "applied" if applied else "repeated"})
                EVENT_DELAY.record(max(0.0, (utc_now() - meta.time).total_seconds()), labels)
                return None
            except NotYet as error:
                problem: Exception = error
                self.health.begins(TopicPartition(record.topic, record.partition), record.offset)
                if time.monotonic() > give_up_at:
                    return f"could not be applied for {self.not_yet_seconds:g} s: {error}"
            except (Unavailable, DeadlineExceeded, TimeoutError, asyncpg.InsufficientPrivilegeError) as error:
                problem = error
                # The server ended a statement, so it is there: what is slow every time must not hold its partition.
                ended = isinstance(error.__cause__, asyncpg.QueryCanceledError)
                slow += ended or isinstance(error, TimeoutError)
                if slow == SLOW_TRIES:
                    limit = error.__cause__ if ended else f"more than {ATTEMPT_SECONDS:g} s"
                    return f"took too long {SLOW_TRIES} times: {limit}"
            except Exception as error:
                problem, failures = error, failures + 1
                if failures == PERMANENT_TRIES:
                    log.error("event_failed", consumer=self.consumer, type=meta.type, event_id=meta.id)
                    return f"{type(error).__name__}: {error}"
            EVENTS_RETRIED.add(1, {**labels, "error": type(problem).__name__})
            get_current_span().add_event("retried", {"error.type": type(problem).__name__})
            log.warning("event_retried", consumer=self.consumer, type=meta.type, event_id=meta.id, reason=repr(problem))
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            delay = min(delay * 2, MAX_BACKOFF_SECONDS)

    async def _bury(self, record: Record, labels: dict[str, str], reason: str) -> None:
        """Send the record to the dead letters, for as long as it takes, unless there were too many."""
        now, limit = time.monotonic(), self.buried_at.maxlen
        if len(self.buried_at) == limit and now - self.buried_at[0] < DEAD_LETTER_WINDOW_SECONDS:
            raise TooManyDeadLetters(
                f"Consumer {self.consumer} stopped: more than {limit} dead letters in "
                f"{DEAD_LETTER_WINDOW_SECONDS / 60:.0f} minutes; the next is {record.topic}[{record.partition}] "
                f"offset {record.offset}."
            )
        self.buried_at.append(now)
        log.error(
            "event_dead_lettered", consumer=self.consumer, topic=record.topic, offset=record.offset, reason=reason
        )
        for_ever = stamina.retry_context(on=KafkaError, attempts=None, timeout=None, wait_max=MAX_BACKOFF_SECONDS)
        async for attempt in for_ever:
            with attempt:
                await send_dead_letter(self.producer, record, consumer=self.consumer, reason=reason)
        EVENTS_HANDLED.add(1, {**labels, "outcome": "dead_lettered"})
