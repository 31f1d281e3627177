"""The Kafka client: connections, topics, and lossy signals. What survives a crash goes through the outbox instead."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from google.protobuf.message import Message

from chassis.settings import KafkaSettings


@asynccontextmanager
async def open_producer(settings: KafkaSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that waits for all in-sync replicas. Flushes on close, at most 5 s.

    Idempotent production is not asked for: some brokers of this protocol don't have it, and consumers recognise a
    repeated event by its id. Waits up to a minute for a broker that is just starting, then raises Unavailable.
    """
    raise NotImplementedError
    yield


async def ensure_topics(settings: KafkaSettings, topics: Collection[str], *, partitions: int = 6) -> None:
    """Create each topic, and its dead-letter topic `<topic>.dlq`, unless it exists; existing ones stay as they are."""
    raise NotImplementedError


async def send_signal(producer: AIOKafkaProducer, signal: Message) -> None:
    """Send an event that may be lost (its option says `signal: true`). Never raises, never waits longer than 0.5 s."""
    raise NotImplementedError
