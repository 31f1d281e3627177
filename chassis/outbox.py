"""The relay: takes committed events from the outbox to Kafka, in order per key, at least once."""

import asyncio

from aiokafka import AIOKafkaProducer

from chassis.postgres import Pool


async def relay(
    pool: Pool, producer: AIOKafkaProducer, *, wake: asyncio.Event, schema: str, poll_seconds: float = 0.5
) -> None:
    """Send what the outbox of `schema` holds, until cancelled. Run it in every instance: one at a time does the work.

    `wake` is set after a commit of this process; what other processes of the context wrote is found by the poll.
    """
    raise NotImplementedError
