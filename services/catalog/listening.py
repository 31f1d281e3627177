"""Listens for signals: events that may be lost, which every instance hears.

No inbox and no offsets: who listens hears what is sent from then on, and nothing twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from aiokafka.errors import KafkaError
from google.protobuf.message import Message

from chassis.events import EventMeta, decode, header_text, topic_of
from chassis.group_member import Record
from chassis.kafka import open_consumer
from chassis.settings import KafkaSettings
from chassis.telemetry import logger

HANDLER_SECONDS = 30.0

SignalHandler: TypeAlias = Callable[[Any, EventMeta], Awaitable[None]]

log = logger(__name__)


async def handle_signals(settings: KafkaSettings, *, handlers: Mapping[type[Message], SignalHandler]) -> None:
    """Give each signal from now on to its handler, until cancelled.

    A handler that raises is logged; a broker that is away is waited for.
    """
    while True:
        try:
            async with open_consumer(settings, auto_offset_reset="latest") as consumer:
                consumer.subscribe(sorted({topic_of(event) for event in handlers}))
                async for record in consumer:
                    await _handle_signal(record, handlers)
        except KafkaError as error:
            log.warning("signals_interrupted", reason=repr(error))
            await asyncio.sleep(1.0)


async def _handle_signal(record: Record, handlers: Mapping[type[Message], SignalHandler]) -> None:
    try:
        decoded = decode(header_text(record.headers), record.value, handlers)
        if decoded:
            meta, signal = decoded
            async with asyncio.timeout(HANDLER_SECONDS):
                await handlers[type(signal)](signal, meta)
    except Exception as error:
        log.warning("signal_failed", topic=record.topic, reason=repr(error))
