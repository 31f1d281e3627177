"""The outbox and its relay, on the real database and broker."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaConnectionError
from scratch import Scratch, make_event_type, until
from travel import emit, is_empty, running

from chassis import outbox
from chassis.kafka import connection_options
from chassis.outbox import relay
from chassis.postgres import Connection, Pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin
from deploy.local.stack import Stack

Received = list[ConsumerRecord[bytes, bytes]]


@pytest.fixture
async def received(kafka: KafkaSettings, topic: str) -> AsyncIterator[Received]:
    """What arrives on the scratch topic."""
    records: Received = []
    reader = AIOKafkaConsumer(topic, **connection_options(kafka), auto_offset_reset="earliest")
    await reader.start()

    async def read() -> None:
        async for record in reader:
            records.append(record)

    async with running(read()):
        yield records
    await reader.stop()


def numbers(received: Received, event_type: Any, thing: str) -> list[int]:
    events = [event_type.FromString(record.value) for record in received]
    return [event.number for event in events if event.thing_id == thing]


def has_received(received: Received, count: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return len(received) >= count

    return reached


class UnreliableProducer:
    """The real producer, but the first sendings of chosen payloads fail as if the broker had been away."""

    def __init__(self, producer: AIOKafkaProducer, failing: set[bytes]) -> None:
        self._producer = producer
        self._failing = failing

    async def partitions_for(self, topic: str) -> Any:
        return await self._producer.partitions_for(topic)

    async def send(self, topic: str, value: bytes, **how: Any) -> Any:
        if value in self._failing:
            self._failing.remove(value)
            raise KafkaConnectionError("no leader")
        return await self._producer.send(topic, value, **how)


async def test_events_leave_in_the_order_of_their_key_with_their_headers(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
) -> None:
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        for number in range(10):
            await emit(begin, *(event_type(thing_id=thing, number=number) for thing in "abc"))
        await until(has_received(received, 30))
        await until(is_empty(notes, "outbox"))
    for thing in "abc":
        assert numbers(received, event_type, thing) == list(range(10))
    headers = {name: value.decode() for name, value in received[0].headers}
    assert headers["ce_type"] == event_type.DESCRIPTOR.full_name
    assert headers["ce_source"] == "/" + "/".join(headers["ce_type"].split(".")[:2])
    assert headers["content-type"] == "application/protobuf"
    assert received[0].key == headers["ce_subject"].encode()


async def test_events_are_counted_by_type_where_they_are_sent_whichever_process_wrote_them(
    notes: Pool,
    begin: Begin[Connection],
    producer: AIOKafkaProducer,
    event_type: Any,
    scratch: Scratch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[str] = []

    class Counter:
        def add(self, amount: int, attributes: dict[str, str]) -> None:
            counted.extend([attributes["type"]] * amount)

    monkeypatch.setattr(outbox, "OUTBOX_SENT", Counter())
    await emit(begin, event_type(thing_id="a", number=1), event_type(thing_id="a", number=2))
    async with running(relay(notes, producer, wake=asyncio.Event(), schema=scratch.schema)):
        await until(is_empty(notes, "outbox"))
    assert counted == [event_type.DESCRIPTOR.full_name] * 2


async def test_what_is_rolled_back_is_not_emitted(notes: Pool, begin: Begin[Connection], event_type: Any) -> None:
    async def use_case() -> None:
        async with begin() as tx:
            tx.emit(event_type(thing_id="a"))
            raise LookupError

    with pytest.raises(LookupError):
        await use_case()
    assert await is_empty(notes, "outbox")()


async def test_only_a_commit_that_wrote_events_wakes_the_relay(
    begin: Begin[Connection], wake: asyncio.Event, event_type: Any
) -> None:
    async with begin() as tx:
        await tx.connection.execute("INSERT INTO notes (thing_id) VALUES ('a')")
    assert not wake.is_set()
    async with begin() as tx:
        tx.emit(event_type(thing_id="a"))
        assert not wake.is_set()
    assert wake.is_set()


async def test_a_commit_where_nobody_relays_wakes_who_does(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
) -> None:
    loop = relay(notes, producer, wake=asyncio.Event(), schema=scratch.schema, poll_seconds=600)
    async with running(loop):
        await until(is_relayed(notes, scratch.schema))
        async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
            for number in range(3):
                await emit(begin, event_type(thing_id="a", number=number))
                await until(has_received(received, number + 1))


async def test_many_commits_where_nobody_relays_are_told_of_together(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
) -> None:
    told = 0

    def count(*_: object) -> None:
        nonlocal told
        told += 1

    listening = await asyncpg.connect(scratch.dsn)
    try:
        await listening.add_listener(f"outbox_{scratch.schema}", count)
        async with running(relay(notes, producer, wake=asyncio.Event(), schema=scratch.schema, poll_seconds=600)):
            await until(is_relayed(notes, scratch.schema))
            started = time.monotonic()
            async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
                for number in range(100):
                    await emit(begin, event_type(thing_id="a", number=number))
                await until(has_received(received, 100))
                assert 1 <= told <= 2 + (time.monotonic() - started) / outbox.PASS_ON_SECONDS
    finally:
        await listening.close()


def is_relayed(pool: Pool, schema: str) -> Callable[[], Awaitable[bool]]:
    """Whether somebody looks into the outbox to relay it."""

    async def looked_at() -> bool:
        question = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND query LIKE '%find_unsent%'"
        return bool(await pool.fetchval(question, schema))

    return looked_at


async def test_a_lower_id_that_commits_later_is_sent_too(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
) -> None:
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        async with begin() as slow:
            slow.emit(event_type(thing_id="slow", number=1))
            await slow.write_outbox()
            await emit(begin, event_type(thing_id="quick", number=2))
            await until(has_received(received, 1))
        await until(is_empty(notes, "outbox"))
        await until(has_received(received, 2))
    assert numbers(received, event_type, "quick") == [2]
    assert 1 in numbers(received, event_type, "slow")


async def test_a_row_that_fails_is_not_overtaken_by_later_rows_of_its_key(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
) -> None:
    happened = [event_type(thing_id="a", number=number) for number in range(5)]
    await emit(begin, *happened, event_type(thing_id="b", number=9))
    unreliable: Any = UnreliableProducer(producer, {happened[1].SerializeToString()})
    async with running(relay(notes, unreliable, wake=wake, schema=scratch.schema)):
        await until(has_received(received, 2))
        assert numbers(received, event_type, "b") == [9]
        await until(has_received(received, 6))
    assert numbers(received, event_type, "a") == [0, 1, 2, 3, 4]


async def test_keys_that_cannot_be_sent_for_now_do_not_fill_every_batch(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 2)
    monkeypatch.setattr(outbox, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(outbox, "REST_SECONDS", 0.05)
    away = {thing: [event_type(thing_id=thing, number=number) for number in range(2)] for thing in "abcde"}
    await emit(begin, *(event for events in away.values() for event in events), event_type(thing_id="well", number=9))
    back = asyncio.Event()

    class HalfAway(UnreliableProducer):
        async def send(self, topic: str, value: bytes, **how: Any) -> Any:
            if how["key"] != b"well" and not back.is_set():
                raise KafkaConnectionError("no leader")
            return await super().send(topic, value, **how)

    half_away: Any = HalfAway(producer, set())
    async with running(relay(notes, half_away, wake=wake, schema=scratch.schema)):
        await until(has_received(received, 1))
        assert numbers(received, event_type, "well") == [9]
        back.set()
        await until(is_empty(notes, "outbox"))
        await until(has_received(received, 11))
    for thing in away:
        assert numbers(received, event_type, thing) == [0, 1]


async def test_a_row_that_is_too_large_is_set_aside_and_only_its_key_waits(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "SET_ASIDE_SECONDS", 1.0)
    await emit(
        begin,
        event_type(thing_id="a", number=1),
        event_type(thing_id="a", number=2, filling=b"x" * 2_000_000),
        event_type(thing_id="a", number=3),
        event_type(thing_id="b", number=4),
    )
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        await until(has_received(received, 2))
        await emit(begin, event_type(thing_id="b", number=5))
        await until(has_received(received, 3))
        assert numbers(received, event_type, "a") == [1]
        assert numbers(received, event_type, "b") == [4, 5]
        reasons = await notes.fetch("SELECT set_aside_reason FROM outbox ORDER BY id")
        assert [str(row["set_aside_reason"]).split(":")[0] for row in reasons] == ["MessageSizeTooLargeError", "None"]

        await notes.execute("UPDATE outbox SET data = $1 WHERE set_aside_reason IS NOT NULL", b"\x0a\x01a\x10\x02")
        await until(is_empty(notes, "outbox"))
        await until(has_received(received, 5))
    assert numbers(received, event_type, "a") == [1, 2, 3]


async def test_a_topic_that_does_not_exist_holds_up_nobody_else(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(producer.client, "_request_timeout_ms", 500)
    await emit(begin, make_event_type("test.absent.v1")(thing_id="a"), event_type(thing_id="a", number=1))
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        await until(has_received(received, 1))
        await emit(begin, event_type(thing_id="a", number=2))
        await until(has_received(received, 2))
    assert numbers(received, event_type, "a") == [1, 2]


async def test_the_first_event_of_a_topic_leaves_as_soon_as_a_broker_that_was_away_is_back(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    not_found = asyncio.Event()

    class Watched(UnreliableProducer):
        client = producer.client

        async def partitions_for(self, topic: str) -> Any:
            try:
                return await super().partitions_for(topic)
            finally:
                not_found.set()

    watched: Any = Watched(producer, set())
    stack.hold("kafka")
    try:
        with monkeypatch.context() as hasty:
            hasty.setattr(producer.client, "_request_timeout_ms", 500)
            await emit(begin, event_type(thing_id="a", number=1))
            async with running(relay(notes, watched, wake=wake, schema=scratch.schema)):
                await not_found.wait()
                hasty.undo()
                await asyncio.to_thread(stack.release, "kafka")
                await until(has_received(received, 1))
    finally:
        await asyncio.to_thread(stack.release, "kafka")


async def test_one_relay_drains_and_another_takes_over_when_its_connection_is_lost(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "STANDBY_SECONDS", 0.1)
    admin = await asyncpg.connect(stack.dsn("postgres"))

    async def holder() -> int | None:
        pid: int | None = await admin.fetchval(
            """
            SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE locktype = 'advisory' AND granted AND usename = $1
            """,
            scratch.schema,
        )
        return pid

    async with (
        running(relay(notes, producer, wake=wake, schema=scratch.schema)),
        running(relay(notes, producer, wake=asyncio.Event(), schema=scratch.schema)),
    ):
        for number in range(3):
            await until(holder)
            await emit(begin, event_type(thing_id="a", number=number))
            await admin.execute("SELECT pg_terminate_backend($1)", await holder())
        await until(is_empty(notes, "outbox"))

        async def all_three() -> bool:
            return set(numbers(received, event_type, "a")) == {0, 1, 2}

        await until(all_three)
    await admin.close()
    assert list(dict.fromkeys(numbers(received, event_type, "a"))) == [0, 1, 2]


async def test_events_written_while_the_broker_is_killed_arrive_in_order(
    notes: Pool,
    begin: Begin[Connection],
    wake: asyncio.Event,
    producer: AIOKafkaProducer,
    received: Received,
    event_type: Any,
    scratch: Scratch,
    stack: Stack,
) -> None:
    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        await emit(begin, event_type(thing_id="a", number=0))
        await until(has_received(received, 1))
        stack.kill("kafka")
        for number in range(1, 20):
            await emit(begin, event_type(thing_id="a", number=number))
        await until(is_empty(notes, "outbox"), seconds=60)

        async def all_twenty() -> bool:
            return set(numbers(received, event_type, "a")) == set(range(20))

        await until(all_twenty, seconds=60)
    assert list(dict.fromkeys(numbers(received, event_type, "a"))) == list(range(20))
