"""What the chassis tells of pools, outboxes, consumers and leases moves with what happens to them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from aiokafka import AIOKafkaProducer
from scratch import Scratch, until
from told import Told
from travel import emit, has_noted, note, running

from chassis import group_member, postgres
from chassis.consumer import ConsumerHealth, consume
from chassis.events import EventMeta, describe, encode_headers, topic_of
from chassis.kafka import to_headers
from chassis.postgres import Connection, Pool, acquire, open_pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx
from operating import observe
from operating.observe import observe_outbox

Tell: TypeAlias = Callable[[object, str], Told]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Tell:
    """`told(module, "POOL_WAITING")` is what that metric is told from now on."""

    def replace(module: object, name: str) -> Told:
        stand_in = Told()
        monkeypatch.setattr(module, name, stand_in)
        return stand_in

    return replace


def shows(metric: Told, **wanted: float) -> Callable[[], Awaitable[bool]]:
    """Whether it was told these values, by the last of its attributes."""

    async def reached() -> bool:
        latest = {key[-1]: value for key, value in metric.by.items()}
        return wanted.items() <= latest.items()

    return reached


async def test_a_pool_tells_who_uses_it_and_who_waits(
    scratch: Scratch, told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "OBSERVE_SECONDS", 0.02)
    connections, most, waiting = (told(postgres, name) for name in ("POOL_CONNECTIONS", "POOL_MOST", "POOL_WAITING"))

    async def use(pool: Pool) -> None:
        async with acquire(pool):
            pass

    async with open_pool(scratch.dsn, application_name="test", max_size=2) as pool:
        await until(shows(connections, in_use=0, idle=1))
        async with acquire(pool), acquire(pool):
            third = asyncio.create_task(use(pool))
            await until(shows(waiting, test=1))
            await until(shows(connections, in_use=2, idle=0))
            assert most.by == {("test",): 2}
        await third
        await until(shows(connections, in_use=0, idle=2))
        await until(shows(waiting, test=0))


async def test_an_outbox_tells_how_much_is_in_it_and_for_how_long(
    notes: Pool, begin: Begin[Connection], event_type: Any, told: Tell
) -> None:
    rows, age = told(observe, "OUTBOX_EVENTS"), told(observe, "OUTBOX_AGE")
    async with running(observe_outbox(notes, "notes", seconds=0.05)):
        await until(shows(rows, unsent=0, set_aside=0))
        assert age.by == {("notes",): 0}
        await emit(begin, *(event_type(thing_id="a", number=number) for number in range(3)))
        await notes.execute("UPDATE outbox SET created_at = now() - interval '90 s'")
        await notes.execute("UPDATE outbox SET set_aside_reason = 'too large' WHERE id = (SELECT min(id) FROM outbox)")
        await until(shows(rows, unsent=2, set_aside=1))
        assert 90 <= age.by["notes",] < 300


async def test_a_consumer_tells_how_far_behind_it_is_until_others_have_its_partitions(
    notes: Pool,
    begin: Begin[Connection],
    producer: AIOKafkaProducer,
    kafka: KafkaSettings,
    event_type: Any,
    scratch: Scratch,
    told: Tell,
    short_sessions: None,
) -> None:
    lag, age = told(group_member, "CONSUMER_LAG"), told(group_member, "CONSUMER_AGE")
    go_on = asyncio.Event()

    async def when_told(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        await go_on.wait()
        await note(event, tx, meta)

    def consuming() -> Coroutine[Any, Any, None]:
        handlers: Any = {event_type: when_told}
        health = ConsumerHealth()
        return consume(kafka, name=scratch.schema, handlers=handlers, begin=begin, producer=producer, health=health)

    async def is_behind() -> bool:
        return sum(lag.by.values()) == 3 and age.by[(scratch.schema,)] > 0.5

    async def has_caught_up() -> bool:
        return sum(lag.by.values()) == 0 and age.by[(scratch.schema,)] == 0

    for number in range(3):
        event = event_type(thing_id="a", number=number)
        headers = to_headers(encode_headers(event, describe(event)))
        await producer.send_and_wait(topic_of(event), event.SerializeToString(), key=b"a", headers=headers)
    async with running(consuming()):
        await until(is_behind)
    assert await has_caught_up(), "it tells of partitions that it has left"
    async with running(consuming()):
        await until(is_behind)
        go_on.set()
        await until(has_noted(notes, ("a", 2)))
        await until(has_caught_up)
