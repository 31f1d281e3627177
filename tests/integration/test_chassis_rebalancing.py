"""Consumers whose group changes, and a broker that starts again, in the middle of work: nothing is lost, and nothing
applied twice."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from scratch import Scratch, until
from travel import emit, note, noted, running

from chassis.consumer import ConsumerHealth, consume
from chassis.events import EventMeta
from chassis.outbox import relay
from chassis.postgres import Connection, Pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx
from deploy.local.apache_kafka import READY_SECONDS
from deploy.local.stack import Stack
from tests.conftest import BROKER

pytestmark = pytest.mark.skipif(BROKER != "apache", reason="rebalances of Apache Kafka: `make test-kafka`")

THINGS = "abcdefghij"
MOVED_SECONDS = 60.0

Member = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.fixture
def member(
    kafka: KafkaSettings, begin: Begin[Connection], producer: AIOKafkaProducer, event_type: Any, scratch: Scratch
) -> Member:
    """Begins one more member of the group, whose events take a while."""

    async def slowly(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        await tx.connection.execute("SELECT pg_sleep(0.01)")
        await note(event, tx, meta)

    def begin_one() -> Any:
        handlers = {event_type: slowly}
        return running(
            consume(
                kafka, name=scratch.schema, handlers=handlers, begin=begin, producer=producer, health=ConsumerHealth()
            )
        )

    return begin_one


@pytest.fixture
async def relaying(
    notes: Pool, producer: AIOKafkaProducer, wake: asyncio.Event, scratch: Scratch
) -> AsyncIterator[None]:
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        yield


def has_applied(pool: Pool, at_least: int) -> Callable[[], Any]:
    async def reached() -> bool:
        return bool(await pool.fetchval("SELECT count(*) >= $1 FROM notes", at_least))

    return reached


async def emit_all(begin: Begin[Connection], event_type: Any, numbers: Iterable[int]) -> None:
    for number in numbers:
        await emit(begin, *(event_type(thing_id=thing, number=number) for thing in THINGS))


async def assert_each_applied_once_in_order(pool: Pool, count: int) -> None:
    applied = await noted(pool)
    for thing in THINGS:
        assert [number for name, number in applied if name == thing] == list(range(count)), thing


async def test_members_that_come_and_go_in_the_middle_of_work_lose_nothing_and_apply_nothing_twice(
    notes: Pool, begin: Begin[Connection], relaying: None, member: Member, event_type: Any
) -> None:
    async with member(), AsyncExitStack() as going:
        await emit_all(begin, event_type, range(20))
        await until(has_applied(notes, 20))
        async with member():  # comes while the first is at work ...
            await emit_all(begin, event_type, range(20, 40))
            await until(has_applied(notes, 250), seconds=MOVED_SECONDS)
            await going.enter_async_context(member())
            await emit_all(begin, event_type, range(40, 60))
        # ... and is gone while there is work for it
        await until(has_applied(notes, 600), seconds=MOVED_SECONDS)
    await assert_each_applied_once_in_order(notes, 60)


async def test_relay_and_consumers_go_on_by_themselves_after_a_restart_of_the_broker_in_the_middle_of_work(
    notes: Pool, begin: Begin[Connection], relaying: None, member: Member, event_type: Any, stack: Stack
) -> None:
    async with member(), member():
        await emit_all(begin, event_type, range(20))
        await until(has_applied(notes, 20))
        before = stack.pid("kafka")
        stack.kill("kafka")
        await emit_all(begin, event_type, range(20, 40))
        await asyncio.to_thread(stack.wait_ready, "kafka", other_than=before, seconds=READY_SECONDS)
        await until(has_applied(notes, 400), seconds=MOVED_SECONDS)
    await assert_each_applied_once_in_order(notes, 40)
