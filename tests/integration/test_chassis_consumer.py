"""Consumers on the real broker and database."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from scratch import Scratch, make_event_type, until
from travel import has_noted, note, noted, running

from chassis import consumer, group_member
from chassis.consumer import ConsumerHealth, NotYet, apply_once, consume, forget_applied_events
from chassis.errors import Unavailable
from chassis.events import EventMeta, describe, encode_headers, key_of, topic_of
from chassis.kafka import send_signal, to_headers
from chassis.postgres import Connection, Pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx
from deploy.local.apache_kafka import READY_SECONDS
from deploy.local.stack import Stack
from operating.letters import DeadLetter, DeadLetters


class Consuming(Protocol):
    """Runs a consumer of the scratch event beside the test."""

    def __call__(
        self, handler: Any = note, *, health: ConsumerHealth | None = None, **options: Any
    ) -> AbstractAsyncContextManager[Any]: ...


@pytest.fixture
def consuming(
    kafka: KafkaSettings,
    begin: Begin[Connection],
    producer: AIOKafkaProducer,
    event_type: Any,
    scratch: Scratch,
    short_sessions: None,
) -> Consuming:
    def run(handler: Any = note, *, health: ConsumerHealth | None = None, **options: Any) -> Any:
        health = health or ConsumerHealth()
        return running(
            consume(
                kafka,
                name=scratch.schema,
                handlers={event_type: handler},
                begin=begin,
                producer=producer,
                health=health,
                **options,
            )
        )

    return run


@pytest.fixture
def letters(kafka: KafkaSettings, topic: str, scratch: Scratch) -> Callable[[], Awaitable[list[DeadLetter]]]:
    async def read() -> list[DeadLetter]:
        return [letter for letter, _ in await DeadLetters(kafka, scratch.schema, [topic]).read()]

    return read


async def publish(producer: AIOKafkaProducer, event: Any, meta: EventMeta | None = None, **headers: str) -> None:
    known = encode_headers(event, meta or describe(event))
    await producer.send_and_wait(
        topic_of(event), event.SerializeToString(), key=key_of(event).encode(), headers=to_headers(known | headers)
    )


async def test_an_event_delivered_twice_is_applied_once(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any
) -> None:
    event, last = event_type(thing_id="a", number=1), event_type(thing_id="a", number=2)
    meta = describe(event)
    for _ in range(3):
        await publish(producer, event, meta)
    await publish(producer, last)
    async with consuming():
        await until(has_noted(notes, ("a", 2)))
    assert await noted(notes) == [("a", 1), ("a", 2)]


async def test_two_deliveries_at_once_on_different_ways_apply_once(
    notes: Pool, begin: Begin[Connection], event_type: Any
) -> None:
    event = event_type(thing_id="a", number=1)
    meta = describe(event)
    results = await asyncio.gather(*(apply_once(begin, "reader", meta, event, note) for _ in range(8)))
    assert sorted(results) == [False] * 7 + [True]
    assert await noted(notes) == [("a", 1)]


async def test_an_applied_event_is_known_after_a_restart_whatever_was_committed(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.commit", _never_commits)
    for number in range(5):
        await publish(producer, event_type(thing_id="a", number=number))
    async with consuming():
        await until(has_noted(notes, ("a", 4)))
    await publish(producer, event_type(thing_id="a", number=5))
    async with consuming():
        await until(has_noted(notes, ("a", 5)))
    assert await noted(notes) == [("a", number) for number in range(6)]


async def test_events_are_applied_while_offsets_are_committed_and_the_last_commit_is_the_newest(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, answered, committed = asyncio.Event(), asyncio.Event(), list[int]()

    async def commit_slowly(consumer: Any, offsets: Any) -> None:
        if not begun.is_set():
            begun.set()
            await answered.wait()
        committed.extend(offsets.values())

    monkeypatch.setattr("aiokafka.AIOKafkaConsumer.commit", commit_slowly)
    monkeypatch.setattr(group_member, "COMMIT_DEADLINE_SECONDS", 60.0)
    await publish(producer, event_type(thing_id="a", number=1))
    async with consuming():
        try:
            async with asyncio.timeout(30):
                await begun.wait()
            await publish(producer, event_type(thing_id="a", number=2))
            await until(has_noted(notes, ("a", 2)))
        finally:
            asyncio.get_running_loop().call_later(0.2, answered.set)  # when the consumer is being stopped
    assert len(committed) == 2
    assert committed == sorted(committed)


async def _never_commits(consumer: Any, offsets: Any) -> None:
    """As if the process had been killed before every commit."""


async def test_an_event_that_comes_too_early_is_tried_again_and_overtaken_by_none_of_its_key(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any
) -> None:
    tries = 0

    async def needs_three_tries(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        nonlocal tries
        await note(event, tx, meta)
        tries += event.number == 1
        if event.number == 1 and tries < 3:
            raise NotYet("its beginning is missing")

    for number in (1, 2):
        await publish(producer, event_type(thing_id="a", number=number))
    async with consuming(needs_three_tries):
        await until(has_noted(notes, ("a", 2)))
    assert await noted(notes) == [("a", 1), ("a", 2)]


async def test_an_event_that_never_becomes_applicable_is_a_dead_letter_after_its_time(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    async def never(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        raise NotYet("its beginning is missing")

    await publish(producer, event_type(thing_id="a", number=1))
    async with consuming(never, not_yet_seconds=0.3):
        await until(letters)
    (letter,) = await letters()
    assert letter.reason == "could not be applied for 0.3 s: its beginning is missing"
    assert await notes.fetchval("SELECT count(*) FROM inbox") == 0


async def test_while_one_partition_waits_the_other_goes_on(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any
) -> None:
    back = asyncio.Event()

    async def half_away(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        if event.thing_id == "stuck" and not back.is_set():
            raise Unavailable
        await note(event, tx, meta)

    partitions = await producer.partitions_for(topic_of(event_type))
    other = next(name for name in map(str, range(100)) if _partition(producer, name) != _partition(producer, "stuck"))
    assert len(partitions) == 2
    await publish(producer, event_type(thing_id="stuck", number=1))
    async with consuming(half_away):
        for number in range(3):
            await publish(producer, event_type(thing_id=other, number=number))
            await until(has_noted(notes, (other, number)))
        assert ("stuck", 1) not in await noted(notes)
        back.set()
        await until(has_noted(notes, ("stuck", 1)))


async def test_an_event_waits_for_a_right_that_the_service_has_lost(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    tries = 0

    async def needs_a_right(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        nonlocal tries
        tries += 1
        if tries <= 5:
            await tx.store.execute("SELECT rolpassword FROM pg_authid")
        await note(event, tx, meta)

    await publish(producer, event_type(thing_id="a", number=1))
    async with consuming(needs_a_right):
        await until(has_noted(notes, ("a", 1)))
    assert await letters() == []


def _partition(producer: AIOKafkaProducer, key: str) -> int:
    return int(producer._partitioner(key.encode(), [0, 1], [0, 1]))


async def test_poison_goes_to_the_dead_letters_and_its_successors_are_applied(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    async def cannot_do_two(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        await note(event, tx, meta)
        if event.number == 2:
            raise LookupError("no such thing")

    poison = event_type(thing_id="a", number=2)
    meta = describe(poison)
    await publish(producer, event_type(thing_id="a", number=1))
    await publish(producer, poison, meta)
    await producer.send_and_wait(
        topic_of(poison), b"\xff not protobuf", key=b"a", headers=to_headers(encode_headers(poison, describe(poison)))
    )
    await producer.send_and_wait(topic_of(poison), b"no headers at all", key=b"a")
    await publish(producer, event_type(thing_id="a", number=3))
    async with consuming(cannot_do_two):
        await until(has_noted(notes, ("a", 3)))
    assert await noted(notes) == [("a", 1), ("a", 3)]

    refused, undecodable, headless = await letters()
    assert (refused.event_id, refused.event_type, refused.key) == (str(meta.id), meta.type, "a")
    assert refused.reason == "LookupError: no such thing"
    assert undecodable.reason.startswith(f"not a {meta.type}")
    assert headless.reason == "the record has no ce_type or no ce_id header"


async def test_an_event_that_is_too_slow_every_time_is_a_dead_letter_in_the_end(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def slow_twice(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        if event.number == 1:
            await tx.connection.execute("SET LOCAL statement_timeout = 10")
            await tx.connection.execute("SELECT pg_sleep(60)")
        if event.number == 2:
            await asyncio.sleep(60)
        await note(event, tx, meta)

    monkeypatch.setattr(consumer, "SLOW_TRIES", 3)
    monkeypatch.setattr(consumer, "ATTEMPT_SECONDS", 0.5)
    for number in range(1, 4):
        await publish(producer, event_type(thing_id="a", number=number))
    async with consuming(slow_twice):
        await until(has_noted(notes, ("a", 3)))
    assert await noted(notes) == [("a", 3)]
    of_statement, of_handler = await letters()
    assert of_statement.reason == "took too long 3 times: canceling statement due to statement timeout"
    assert of_handler.reason == "took too long 3 times: more than 0.5 s"


async def test_a_record_at_the_size_limit_is_a_dead_letter_without_its_value(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    kafka: KafkaSettings,
    topic: str,
    scratch: Scratch,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    send, limit = producer.send_and_wait, 0

    async def send_counting_headers(topic: str, value: bytes, *, headers: Any, **how: Any) -> None:
        """As Kafka counts, with a limit that the first record just meets; the local broker has none, and the client's
        own leaves the headers out."""
        nonlocal limit
        size = len(value) + sum(len(name) + len(text) for name, text in headers)
        limit = limit or size
        if size > limit:
            raise MessageSizeTooLargeError
        await send(topic, value, headers=headers, **how)

    async def broken(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        if event.number == 1:
            raise LookupError("no such thing")
        await note(event, tx, meta)

    large = event_type(thing_id="a", number=1, filling=b"x" * 1_000_000)
    monkeypatch.setattr(producer, "send_and_wait", send_counting_headers)
    await publish(producer, large)
    await publish(producer, event_type(thing_id="a", number=2))
    async with consuming(broken):
        await until(has_noted(notes, ("a", 2)))
    (letter,) = await letters()
    assert (letter.reason, letter.left_out) == ("LookupError: no such thing", str(large.ByteSize()))
    dead = DeadLetters(kafka, scratch.schema, [topic])
    assert not await dead.close(letter.id, "retried")
    assert await letters() == [letter]
    assert await dead.close(letter.id, "dropped")


async def test_a_dead_letter_can_be_tried_again_or_dropped(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    kafka: KafkaSettings,
    topic: str,
    scratch: Scratch,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    mended = False

    async def broken(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        if not mended:
            raise LookupError
        await note(event, tx, meta)

    for number in range(3):
        await publish(producer, event_type(thing_id="a", number=number))
    dead = DeadLetters(kafka, scratch.schema, [topic])
    async with consuming(broken):
        await until(letters)

        async def all_three() -> bool:
            return len(await letters()) == 3

        await until(all_three)
        mended = True
        first, second, third = await letters()
        assert await dead.close(first.id, "dropped")
        assert [letter.id for letter in await letters()] == [second.id, third.id]
        assert await DeadLetters(kafka, "another-consumer", [topic]).read() == []
        for letter in (second, third):
            assert await dead.close(letter.id, "retried")
        assert await letters() == []
        await until(has_noted(notes, ("a", 1), ("a", 2)))
    assert await noted(notes) == [("a", 1), ("a", 2)]


async def test_an_unknown_type_is_skipped(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    topic: str,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    await publish(producer, make_event_type(topic, name="Newer")(thing_id="a", number=1))
    await publish(producer, event_type(thing_id="a", number=2))
    async with consuming():
        await until(has_noted(notes, ("a", 2)))
    assert await noted(notes) == [("a", 2)]
    assert await letters() == []


async def test_too_many_dead_letters_stop_the_consumer_and_readiness_says_so(
    notes: Pool,
    consuming: Consuming,
    producer: AIOKafkaProducer,
    event_type: Any,
    letters: Callable[[], Awaitable[list[DeadLetter]]],
) -> None:
    async def broken(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        raise LookupError

    health = ConsumerHealth()
    for number in range(5):
        await publish(producer, event_type(thing_id="a", number=number))

    async def stopped() -> bool:
        return health.stopped is not None

    async with consuming(broken, health=health, max_dead_letters=3):
        await until(stopped)
    with pytest.raises(Unavailable, match=r"more than 3 dead letters in 10 minutes; the next is .* offset 3"):
        await health.check()
    assert len(await letters()) == 3

    async with consuming():
        await until(has_noted(notes, ("a", 4)))
    assert await noted(notes) == [("a", 3), ("a", 4)]


async def test_an_event_that_is_tried_for_too_long_makes_the_process_unready(
    consuming: Consuming, producer: AIOKafkaProducer, event_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        raise Unavailable

    monkeypatch.setattr(group_member, "STUCK_SECONDS", 0.3)
    health = ConsumerHealth()
    await publish(producer, event_type(thing_id="a", number=1))

    async def stuck() -> bool:
        try:
            await health.check()
        except Unavailable as error:
            return "offset 0 has been tried" in str(error)
        return False

    async with consuming(away, health=health):
        await until(stuck)


async def test_a_connection_that_is_killed_under_a_handler_costs_nothing(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any, stack: Stack
) -> None:
    kills = 0

    async def killed_once(event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        nonlocal kills
        await note(event, tx, meta)
        if kills == 0:
            kills += 1
            admin = await asyncpg.connect(stack.dsn("postgres"))
            await admin.execute("SELECT pg_terminate_backend($1)", tx.connection.get_server_pid())
            await admin.close()

    for number in range(3):
        await publish(producer, event_type(thing_id="a", number=number))
    async with consuming(killed_once):
        await until(has_noted(notes, ("a", 2)))
    assert (kills, await noted(notes)) == (1, [("a", 0), ("a", 1), ("a", 2)])


async def test_a_consumer_waits_for_a_broker_that_is_away_and_goes_on_after_its_restart(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any, stack: Stack
) -> None:
    stack.hold("kafka")
    async with consuming():
        stack.release("kafka")
        await publish(producer, event_type(thing_id="a", number=1))
        await until(has_noted(notes, ("a", 1)), seconds=60)
        before = stack.pid("kafka")
        stack.kill("kafka")
        stack.wait_ready("kafka", other_than=before, seconds=READY_SECONDS)
        await publish(producer, event_type(thing_id="a", number=2))
        await until(has_noted(notes, ("a", 2)), seconds=60)
    assert await noted(notes) == [("a", 1), ("a", 2)]


async def test_members_of_a_group_share_the_partitions_and_apply_each_event_once(
    notes: Pool, consuming: Consuming, producer: AIOKafkaProducer, event_type: Any
) -> None:
    expected = [(thing, number) for number in range(10) for thing in "abcd"]
    async with consuming():
        for thing, number in expected[:20]:
            await publish(producer, event_type(thing_id=thing, number=number))
        await until(has_noted(notes, *expected[:20]))
        async with consuming():
            for thing, number in expected[20:]:
                await publish(producer, event_type(thing_id=thing, number=number))
            await until(has_noted(notes, *expected), seconds=60)
    result = await noted(notes)
    assert sorted(result) == sorted(expected)
    for thing in "abcd":
        assert [number for name, number in result if name == thing] == list(range(10))


async def test_old_inbox_rows_are_forgotten_and_young_ones_kept(notes: Pool) -> None:
    await notes.execute(
        """
        INSERT INTO inbox (consumer, event_id, applied_at)
        SELECT 'reader', gen_random_uuid(), now() - make_interval(days => days) FROM generate_series(1, 40) AS days
        """
    )
    assert await forget_applied_events(notes, days=30) == 11
    assert await notes.fetchval("SELECT count(*) FROM inbox") == 29
    assert await forget_applied_events(notes, days=30) == 0


async def test_a_signal_that_cannot_be_sent_is_lost_without_an_error(
    producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send_signal(producer, make_event_type(f"test.{uuid.uuid4().hex}.absent")(thing_id="a"))
