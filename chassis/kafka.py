"""The Kafka client: connections, and lossy signals. What must survive a crash goes through the outbox instead.

Topics are made by whoever runs the broker: `<topic>` with the partitions it needs, `<topic>.dlq` with one.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import asyncpg
import stamina
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import BrokerResponseError, KafkaError
from google.protobuf.message import Message
from opentelemetry.trace import SpanKind

from chassis import events, tracing
from chassis.errors import Unavailable
from chassis.metrics import SIGNALS_LOST
from chassis.settings import KafkaSettings

REQUEST_MS = 10_000
BATCH_BYTES = 512 * 1024
START_SECONDS = 60.0
CLOSE_SECONDS = 5.0
LEAVE_SECONDS = 10.0
SIGNAL_SECONDS = 0.5

TROUBLES: tuple[tuple[type[Exception], str, str], ...] = (
    (BrokerResponseError, "refuses the user {0.sasl_username} by {0.sasl_mechanism}", "SASL_…"),
    (ssl.SSLCertVerificationError, "has a certificate that is not trusted", "CA"),
    # What one gets who speaks TLS with who does not, and the reverse.
    (ssl.SSLError, "does not speak {0.security_protocol}", "SECURITY_PROTOCOL"),
    (KafkaError, "does not speak {0.security_protocol}", "SECURITY_PROTOCOL"),
    (Exception, "does not answer", "BOOTSTRAP_SERVERS"),
)
"""By the first error that fits: what a broker does, by our settings, and which of them to look at."""

C = TypeVar("C", AIOKafkaConsumer, AIOKafkaProducer)


def connection_options(settings: KafkaSettings) -> dict[str, Any]:
    """How every aiokafka client of ours connects."""
    encrypted = settings.security_protocol.endswith("SSL")
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "security_protocol": settings.security_protocol,
        "ssl_context": ssl.create_default_context(cadata=settings.ca) if encrypted else None,
        "sasl_mechanism": settings.sasl_mechanism or "PLAIN",
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": settings.sasl_password.get_secret_value() if settings.sasl_password else None,
        "request_timeout_ms": REQUEST_MS,
        "retry_backoff_ms": 200,
        "metadata_max_age_ms": 60_000,
    }


@asynccontextmanager
async def open_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that waits for all in-sync replicas. Flushes on close, at most 5 s.

    Idempotent production is not asked for: some brokers of this protocol don't have it, and consumers recognise a
    repeated event by its id. Waits up to a minute for a broker that is just starting, then raises Unavailable.
    """
    async with AsyncExitStack() as opened:
        try:
            async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=START_SECONDS, wait_max=2):
                with attempt:
                    options = {"acks": "all", "enable_idempotence": False, "max_batch_size": BATCH_BYTES}
                    producer = AIOKafkaProducer(**options, **connection_options(settings))
                    await opened.enter_async_context(_running(producer))
        except KafkaError as error:
            raise Unavailable(f"The event broker is not reachable. {await why_unreachable(settings)}") from error
        yield producer


def open_consumer(settings: KafkaSettings, **options: Any) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
    """A consumer that commits nothing by itself; `options` are aiokafka's. Raises KafkaError if no broker answers."""
    return _running(
        AIOKafkaConsumer(**connection_options(settings), enable_auto_commit=False, **options),
        # One that is just joining its group has to have joined to leave it; else the group waits for it.
        close_seconds=LEAVE_SECONDS,
    )


@asynccontextmanager
async def _running(client: C, *, close_seconds: float = CLOSE_SECONDS) -> AsyncIterator[C]:
    """Start an aiokafka client and stop it; also one that does not start, which aiokafka leaves to the caller."""
    try:
        try:
            async with asyncio.timeout(REQUEST_MS / 1000):
                await client.start()
        except TimeoutError as error:
            raise KafkaError("no answer to the first request") from error
        yield client
    finally:
        with suppress(TimeoutError, KafkaError):
            async with asyncio.timeout(close_seconds):
                await client.stop()


async def why_unreachable(settings: KafkaSettings) -> str:
    """What is wrong between us and the brokers, a sentence for each of them: aiokafka tells that to its log alone."""
    wanted = ("request_", "security_", "ssl_", "sasl_")
    how = {name: value for name, value in connection_options(settings).items() if name.startswith(wanted)}
    sentences = []
    for host, port, _ in collect_hosts(settings.bootstrap_servers):
        try:
            (await create_conn(host, port, **how)).close()
        except (KafkaError, OSError, TimeoutError) as error:
            what, variable = next(told[1:] for told in TROUBLES if isinstance(error, told[0]))
            reason = f"{what.format(settings)} ({error or type(error).__name__})"
            sentences.append(f"{host}:{port} {reason}: look at NEXTPLAY_KAFKA_{variable}.")
    return " ".join(sentences)


def to_headers(headers: dict[str, str]) -> list[tuple[str, bytes]]:
    """Headers as Kafka carries them."""
    return [(name, value.encode()) for name, value in headers.items()]


def about_event(operation: str, topic: str, headers: Mapping[str, str]) -> dict[str, str]:
    """What a span tells of a record that is sent ("send") or applied ("process")."""
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": headers.get("ce_id", ""),
        "nextplay.event": headers.get("ce_type", ""),
    }


async def begin_event(producer: AIOKafkaProducer, row: asyncpg.Record) -> asyncio.Future[Any]:
    """Give the producer a record, a row of the outbox; what is returned waits for its acknowledgement. Both raise
    KafkaError, and are a step of the trace that the row's headers name."""
    if tracing.is_recorded(row["headers"]):
        return asyncio.create_task(_send_traced(producer, row["topic"], row["key"], row["headers"], row["data"]))
    key, headers = row["key"].encode(), to_headers(row["headers"])
    sent: asyncio.Future[Any] = await producer.send(row["topic"], row["data"], key=key, headers=headers)
    return sent


async def _send_traced(producer: AIOKafkaProducer, topic: str, key: str, headers: dict[str, str], data: bytes) -> Any:
    about, came_with = about_event("send", topic, headers), tracing.received(headers)
    with tracing.span(f"send {topic}", SpanKind.PRODUCER, about, context=came_with) as span:
        carried = to_headers(headers | tracing.carried())
        kept = await producer.send_and_wait(topic, data, key=key.encode(), headers=carried)
        span.set_attribute("messaging.destination.partition.id", str(kept.partition))
        span.set_attribute("messaging.kafka.offset", kept.offset)
    return kept


async def send_signal(producer: AIOKafkaProducer, signal: Message) -> None:
    """Send an event that may be lost (its option says `signal: true`). Never raises, never waits longer than 0.5 s."""
    kind = {"type": signal.DESCRIPTOR.full_name}
    topic, key, headers, payload = events.encode(signal, events.describe(signal))
    try:
        async with asyncio.timeout(SIGNAL_SECONDS):
            sent = await producer.send(topic, payload, key=key.encode(), headers=to_headers(headers))
    except (KafkaError, TimeoutError):
        SIGNALS_LOST.add(1, kind)
        return
    # Nobody awaits the acknowledgement; its error is taken here, or asyncio would complain about it.
    sent.add_done_callback(lambda done: done.cancelled() or (done.exception() and SIGNALS_LOST.add(1, kind)))
