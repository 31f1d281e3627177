"""Consumers: an event and its inbox row are applied in one transaction, the offset is committed afterwards."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, TypeVar

from aiokafka import AIOKafkaProducer
from google.protobuf.message import Message

from chassis.events import EventMeta
from chassis.postgres import Pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx

S = TypeVar("S")

Handler: TypeAlias = Callable[[Any, Tx[S], EventMeta], Awaitable[None]]
"""`async def on_upload_completed(event: UploadCompleted, tx: Tx[Store], meta: EventMeta) -> None`: database only, no
other I/O. What a handler may raise: NotYet (try again later), Unavailable (try again at once, with backoff), anything
else is tried three times and then dead-lettered."""

SignalHandler: TypeAlias = Callable[[Any, EventMeta], Awaitable[None]]


class NotYet(Exception):
    """The event cannot be applied yet, because a fact it builds on has not arrived. Nothing is kept of this try."""


class ConsumerHealth:
    """What a consumer tells about itself: `service.check("consumer", health.check)`."""

    async def check(self) -> None:
        """Raises Unavailable, naming the partition and the event, when the consumer stopped, is silent or is stuck."""
        raise NotImplementedError


async def apply_once(begin: Begin[S], consumer: str, meta: EventMeta, event: Message, handler: Handler[S]) -> bool:
    """Apply the event unless this consumer did already, by whatever way it came; False for a repeat.

    The inbox row and the handler's changes commit together. Two deliveries at once: the second waits for the first.
    """
    raise NotImplementedError


async def consume(
    settings: KafkaSettings,
    *,
    name: str,
    handlers: Mapping[type[Message], Handler[S]],
    begin: Begin[S],
    producer: AIOKafkaProducer,
    health: ConsumerHealth,
    not_yet_seconds: float = 600.0,
) -> None:
    """Apply the events of `handlers` (their topics follow from their types) until cancelled.

    `name` is the consumer group and the consumer's name in the inbox. `producer` sends dead letters.
    """
    raise NotImplementedError


async def handle_signals(settings: KafkaSettings, *, handlers: Mapping[type[Message], SignalHandler]) -> None:
    """Give each signal from now on to its handler, in every instance, until cancelled. Errors are logged."""
    raise NotImplementedError


async def forget_applied_events(pool: Pool, *, days: int = 30) -> int:
    """Delete inbox rows older than `days`, and say how many: a job. Longer than any topic or dead letter is kept."""
    raise NotImplementedError
