"""The broker as a test sees it: what it holds about a video, and events that a test sends itself."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from google.protobuf.message import Message

from chassis.events import describe, encode_headers, key_of, topic_of
from chassis.kafka import to_headers
from deploy.local.stack import Stack

EVENT_TOPICS = ("nextplay.upload.events.v1", "nextplay.media.events.v1", "nextplay.catalog.events.v1")


def in_thread(coroutine: Any) -> Any:
    """Run a coroutine outside of the tests' own loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result(timeout=60)


def records_of(platform: Stack, video_id: str, *topics: str) -> list[ConsumerRecord[bytes, bytes]]:
    """What the broker holds about a video."""

    async def read() -> list[ConsumerRecord[bytes, bytes]]:
        # Without a group the consumer has every partition, from its beginning on.
        consumer = AIOKafkaConsumer(
            *topics, bootstrap_servers=platform.kafka, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            found: list[ConsumerRecord[bytes, bytes]] = []
            behind = {partition for partition, end in ends.items() if end > 0}
            while behind:
                for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
                    found += [record for record in records if record.key == video_id.encode()]
                    if records and records[-1].offset + 1 >= ends[partition]:
                        behind.discard(partition)
            return found
        finally:
            await consumer.stop()

    return list(in_thread(read()))


def type_of(record: ConsumerRecord[bytes, bytes]) -> str:
    """The name of a record's event."""
    return dict(record.headers)["ce_type"].decode().rpartition(".")[2]


def send_again(platform: Stack, records: list[ConsumerRecord[bytes, bytes]]) -> None:
    """Deliver records a second time, as a producer does that did not hear the acknowledgement."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=platform.kafka, acks="all")
        await producer.start()
        try:
            for record in records:
                await producer.send_and_wait(record.topic, record.value, record.key, headers=list(record.headers))
        finally:
            await producer.stop()

    in_thread(send())


def send_event(platform: Stack, event: Message) -> None:
    """Deliver an event that no outbox has seen."""

    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=platform.kafka, acks="all")
        await producer.start()
        try:
            await producer.send_and_wait(
                topic_of(event),
                event.SerializeToString(),
                key_of(event).encode(),
                headers=to_headers(encode_headers(event, describe(event))),
            )
        finally:
            await producer.stop()

    in_thread(send())
