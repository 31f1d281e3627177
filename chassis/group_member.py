"""A member of a Kafka consumer group: its partitions go on beside each other, each one record at a time, in order.

The poll loop never waits for a record, so the member keeps its place in the group however long one takes. Only a
partition that is far behind is paused: aiokafka would otherwise fetch the others alone and leave it out until that
long poll returns. Offsets of what is done are committed every half second and when partitions move; after a crash the
broker delivers again what was done but not committed.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition

from chassis import telemetry
from chassis.errors import Unavailable
from chassis.kafka import open_consumer
from chassis.metrics import CONSUMER_AGE, CONSUMER_LAG, EVENT_IN_WORK
from chassis.settings import KafkaSettings

POLL_MS = 1_000
MAX_BACKLOG = 500
SESSION_MS = 6_000  # the shortest that Kafka's defaults allow: how long a killed member's partitions lie idle
# Some brokers notice a new record only at the end of the wait that a fetch allows, and every fetch costs something.
IDLE_WAIT_MS, BUSY_WAIT_MS = 2_000, 50
BUSY_SECONDS = 60.0
COMMIT_SECONDS = 0.5
COMMIT_DEADLINE_SECONDS = 5.0
SILENT_SECONDS = 60.0
STUCK_SECONDS = 120.0

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
Apply: TypeAlias = Callable[[Record], Awaitable[None]]

log = telemetry.logger(__name__)


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
                raise Unavailable(f"{_name(partition)} offset {offset} has been tried for {now - since:.0f} s.")

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


async def be_member(
    settings: KafkaSettings, group: str, topics: list[str], apply: Apply, health: ConsumerHealth
) -> None:
    """Give every record of the topics to `apply`, as a member of the group, until cancelled.

    `apply` returns when the record needs no more work. Raises what it raises, and KafkaError.
    """
    async with open_consumer(
        settings,
        group_id=group,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=256 * 1024,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=SESSION_MS // 3,
    ) as consumer:
        partitions = _Partitions(group, consumer, apply, health)
        busy_until = 0.0
        try:
            consumer.subscribe(topics, listener=partitions)
            while True:
                received = await consumer.getmany(timeout_ms=POLL_MS)
                for partition, records in received.items():
                    partitions.hand(partition, records)
                health.polled()
                if received:
                    busy_until = time.monotonic() + BUSY_SECONDS
                fetcher: Any = consumer._fetcher  # aiokafka has no public way to change the wait of a running consumer
                fetcher._fetch_max_wait_ms = BUSY_WAIT_MS if time.monotonic() < busy_until else IDLE_WAIT_MS
                partitions.look_after()
        finally:
            await partitions.on_partitions_revoked(set())


class _Partitions(ConsumerRebalanceListener):
    """The partitions this member has: the records in hand of each, and a task that applies them."""

    def __init__(self, group: str, consumer: AIOKafkaConsumer, apply: Apply, health: ConsumerHealth) -> None:
        self._group = group
        self._consumer = consumer
        self._apply = apply
        self._health = health
        self._backlogs: dict[TopicPartition, deque[Record]] = {}
        self._tasks: dict[TopicPartition, asyncio.Task[None]] = {}
        self._done: dict[TopicPartition, int] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._in_work: dict[TopicPartition, Record] = {}
        self._committed_at = time.monotonic()
        self._committing: asyncio.Task[None] | None = None

    def hand(self, partition: TopicPartition, records: list[Record]) -> None:
        """Apply these after those that are in hand; with too many, ask the broker for no more until all are done."""
        backlog = self._backlogs.setdefault(partition, deque())
        backlog.extend(records)
        if len(backlog) > MAX_BACKLOG:
            self._consumer.pause(partition)
        if partition not in self._tasks:
            self._tasks[partition] = asyncio.create_task(self._work(partition, backlog))

    def look_after(self) -> None:
        """Begin to commit what is due: polling goes on meanwhile. Raises what a task raised."""
        for task in self._tasks.values():
            if task.done():
                task.result()
        self._tell_lag()
        due = time.monotonic() - self._committed_at > COMMIT_SECONDS
        if due and (not self._committing or self._committing.done()):
            self._committing = asyncio.create_task(self._commit())

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Stop all work and commit: in this protocol a rebalance takes every partition away for a moment."""
        tasks, self._tasks, self._backlogs = list(self._tasks.values()), {}, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._committing = asyncio.create_task(self._commit(after=self._committing))
        await self._committing
        for partition in self._reached:  # which others tell of from now on
            CONSUMER_LAG.set(0, {"consumer": self._group, "partition": _name(partition)})
        self._reached.clear()
        self._tell_lag()

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        log.info("partitions_assigned", consumer=self._group, partitions=sorted(map(_name, assigned)))

    async def _work(self, partition: TopicPartition, backlog: deque[Record]) -> None:
        try:
            while backlog:
                record = backlog.popleft()
                self._health.begins(partition, record.offset)
                self._in_work[partition] = record
                self._reached[partition] = record.offset
                await self._apply(record)
                self._reached[partition] = self._done[partition] = record.offset + 1
        finally:
            self._health.ended(partition)
            self._in_work.pop(partition, None)
        del self._tasks[partition]
        if partition in self._consumer.paused():
            self._consumer.resume(partition)

    def _tell_lag(self) -> None:
        consumer, now = {"consumer": self._group}, time.time()
        EVENT_IN_WORK.set(self._health.oldest_in_work_seconds, consumer)
        ages = (now - record.timestamp / 1000 for record in self._in_work.values())
        CONSUMER_AGE.set(max([0.0, *ages]), consumer)
        for partition, reached in self._reached.items():
            end = self._consumer.highwater(partition) or reached
            CONSUMER_LAG.set(max(0, end - reached), {**consumer, "partition": _name(partition)})

    async def _commit(self, after: asyncio.Task[None] | None = None) -> None:
        """Commit what was applied, once a commit that is under way has ended, which would take offsets back if it ended
        later; one deadline holds for both. A failure is not repeated: the next commit says more, and repeats are
        recognised."""
        self._committed_at = time.monotonic()
        done, self._done = self._done, {}
        try:
            async with asyncio.timeout(COMMIT_DEADLINE_SECONDS):
                if after:
                    await after
                if done:
                    await self._consumer.commit(done)
        except Exception as error:
            log.warning("offsets_not_committed", consumer=self._group, reason=repr(error))


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}[{partition.partition}]"
