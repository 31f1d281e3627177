"""Signals on the real broker: whoever listens hears them, and nothing stops the listening."""

from typing import Any

from aiokafka import AIOKafkaProducer
from scratch import make_event_type, until
from travel import running

from chassis.events import EventMeta
from chassis.kafka import send_signal
from chassis.settings import KafkaSettings
from services.catalog.listening import handle_signals


async def test_a_signal_reaches_every_listener_that_is_there(
    kafka: KafkaSettings, producer: AIOKafkaProducer, topic: str
) -> None:
    signal_type: Any = make_event_type(topic, signal=True)
    heard: list[list[int]] = [[], []]

    def listener(number: int) -> Any:
        async def hear(signal: Any, meta: EventMeta) -> None:
            heard[number].append(signal.number)
            if signal.number == 0:
                raise LookupError

        return handle_signals(kafka, handlers={signal_type: hear})

    async def both_heard() -> bool:
        await send_signal(producer, signal_type(thing_id="a", number=0))
        return all(heard)

    async with running(listener(0)), running(listener(1)):
        await until(both_heard)
        await send_signal(producer, signal_type(thing_id="a", number=7))

        async def both_heard_the_last() -> bool:
            return all(numbers[-1] == 7 for numbers in heard)

        await until(both_heard_the_last)
