"""From a commit to a consumer, on Apache Kafka: what the outbox costs beside a bare producer, and how long it takes."""

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import uvloop
from aiokafka import AIOKafkaProducer

from benchmarks.measure import Measure
from chassis import events
from chassis.consumer import ConsumerHealth, consume
from chassis.events import EventMeta
from chassis.kafka import open_producer, to_headers
from chassis.migrations import migrate
from chassis.outbox import relay
from chassis.postgres import Connection, Pool, open_pool
from chassis.settings import KafkaSettings
from chassis.transaction import Tx, transactions
from deploy.local.apache_kafka import require_java
from deploy.local.home import Trouble
from deploy.local.lifecycle import start, stop
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged

ROUNDS, EVENTS, VIDEOS = 7, 4_000, 1_500
COMMITS, COMMITS_PER_SECOND = 1_500, 50
SCHEMA = "catalog"


def measure() -> list[Measure]:
    """Both on an infrastructure of their own; nothing where there is no Java or Maven."""
    try:
        require_java()
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory(prefix="nextplay-relay-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, shape=Shape(kafka="apache"), with_parent=True)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(attach(home)))
        finally:
            stop(home)


async def _measure(stack: Stack) -> list[Measure]:
    await migrate(stack.dsn("catalog_owner"), SCHEMA, resources.files("services.catalog.migrations"))
    kafka = KafkaSettings(bootstrap_servers=stack.kafka)
    async with (
        open_pool(stack.dsn(SCHEMA), application_name="bench") as pool,
        open_pool(stack.dsn(SCHEMA), application_name="other") as other_pool,
        open_producer(kafka) as producer,
    ):
        here = await _delays(kafka, pool, pool, producer)
        elsewhere = await _delays(kafka, pool, other_pool, producer)
        ratios, rates = [], []
        for _ in range(ROUNDS):
            bare = await _bare(producer)
            rates.append(await _relayed(pool, producer))
            ratios.append(rates[-1] / bare)
    how = f"median of {ROUNDS} rounds of {EVENTS} events of {VIDEOS} videos, in turn, in one process; acks=all"
    paced = f"{COMMITS} commits of one event at {COMMITS_PER_SECOND} a second, from the commit to the handler's begin"
    return [
        Measure(
            "outbox relay ÷ bare producer, events a second", statistics.median(ratios), "", 0.5, how, at_least=True
        ),
        Measure("outbox relay", statistics.median(rates), "/s", None, how),
        Measure("commit → consumer, p99", _p99(here), "ms", 25, paced),
        Measure("commit → consumer, median", statistics.median(here), "ms", None, paced),
        Measure("commit elsewhere → consumer, p99", _p99(elsewhere), "ms", 25, f"{paced}; another process relays"),
        Measure("commit elsewhere → consumer, median", statistics.median(elsewhere), "ms", None, paced),
    ]


def _happened() -> list[VideoStatusChanged]:
    videos = [str(uuid.uuid4()) for _ in range(VIDEOS)]
    return [VideoStatusChanged(video_id=videos[number % VIDEOS], sequence=number + 1) for number in range(EVENTS)]


async def _bare(producer: AIOKafkaProducer) -> float:
    """Events a second of a producer that has them in memory, encoded, and waits for the acknowledgements together."""
    records = [events.encode(event, events.describe(event)) for event in _happened()]
    began = time.perf_counter()
    sent = [
        await producer.send(topic, data, key=key.encode(), headers=to_headers(headers))
        for topic, key, headers, data in records
    ]
    await asyncio.gather(*sent)
    return EVENTS / (time.perf_counter() - began)


async def _relayed(pool: Pool, producer: AIOKafkaProducer) -> float:
    """Events a second that leave an outbox which is full when the relay begins."""
    begin = transactions(pool, lambda connection: connection, lambda: None)
    async with begin() as tx:
        for event in _happened():
            tx.emit(event)
    began = time.perf_counter()
    async with _running(relay(pool, producer, wake=asyncio.Event(), schema=SCHEMA)):
        while await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110 - only the table tells
            await asyncio.sleep(0.005)
    return EVENTS / (time.perf_counter() - began)


async def _delays(kafka: KafkaSettings, pool: Pool, committing: Pool, producer: AIOKafkaProducer) -> list[float]:
    """Milliseconds from commits to a consumer; with another pool than the relay's they are as of another process."""
    wake, standby_wake = asyncio.Event(), asyncio.Event()
    began: dict[str, float] = {}
    delays: asyncio.Queue[float] = asyncio.Queue()

    async def note(event: VideoStatusChanged, tx: Tx[Connection], meta: EventMeta) -> None:
        if event.video_id in began:
            delays.put_nowait(1000 * (time.perf_counter() - began[event.video_id]))

    async def commit() -> None:
        video_id = str(uuid.uuid4())

        def committed() -> None:
            began[video_id] = time.perf_counter()
            (wake if pool is committing else standby_wake).set()

        async with transactions(committing, lambda connection: connection, committed)() as tx:
            tx.emit(VideoStatusChanged(video_id=video_id, sequence=1))

    consuming = consume(
        kafka,
        name=f"bench-{uuid.uuid4()}",
        handlers={VideoStatusChanged: note},
        begin=transactions(pool, lambda connection: connection, lambda: None),
        producer=producer,
        health=ConsumerHealth(),
    )
    async with _running(relay(pool, producer, wake=wake, schema=SCHEMA)), _running(consuming), asyncio.timeout(300):
        await commit()
        await delays.get()  # the consumer has come to the end of what was there
        async with _running(relay(committing, producer, wake=standby_wake, schema=SCHEMA)):
            next_at = time.perf_counter()
            for _ in range(COMMITS):
                await commit()
                next_at += 1 / COMMITS_PER_SECOND
                await asyncio.sleep(max(0.0, next_at - time.perf_counter()))
            return [await delays.get() for _ in range(COMMITS)]


def _p99(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=100)[-1]


@asynccontextmanager
async def _running(loop: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(loop)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
