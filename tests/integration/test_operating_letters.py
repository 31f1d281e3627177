"""What operators decide about dead letters, on the real broker and database."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from desk_of_tests import DECIDED, AtDesk, DeskSettings
from pydantic import SecretStr
from scratch import Scratch, until
from travel import has_noted, note, noted, running

from chassis.consumer import ConsumerHealth, consume
from chassis.events import EventMeta, describe, encode
from chassis.kafka import open_consumer, to_headers
from chassis.postgres import Connection, Pool
from chassis.settings import KafkaSettings
from chassis.transaction import Begin, Tx
from operating import letters
from operating.letters import DeadLetters
from operating.shared import QUERIES, SHARED

Send = Callable[[Any], Awaitable[None]]


@pytest.fixture
def desk(scratch: Scratch, kafka: KafkaSettings, event_type: Any, capsys: pytest.CaptureFixture[str]) -> AtDesk:
    settings = DeskSettings(SecretStr(scratch.dsn), kafka)
    return AtDesk(scratch.schema, settings, SHARED, capsys, consumes=[event_type])


@pytest.fixture
def send(producer: AIOKafkaProducer) -> Send:
    async def publish(event: Any) -> None:
        topic, key, headers, data = encode(event, describe(event))
        await producer.send_and_wait(topic, data, key=key.encode(), headers=to_headers(headers))

    return publish


class Faulty:
    """A handler that refuses what is in `refuses`."""

    def __init__(self, *refuses: int) -> None:
        self.refuses = set(refuses)

    async def __call__(self, event: Any, tx: Tx[Connection], meta: EventMeta) -> None:
        if event.number in self.refuses:
            raise LookupError(f"no thing of number {event.number}")
        await note(event, tx, meta)


@pytest.fixture
def consuming(
    kafka: KafkaSettings,
    begin: Begin[Connection],
    producer: AIOKafkaProducer,
    event_type: Any,
    scratch: Scratch,
    topic: str,
    short_sessions: None,
) -> Any:
    """Runs a consumer until a number of its events are dead letters."""

    @asynccontextmanager
    async def run(handler: Faulty) -> AsyncIterator[None]:
        expected = len(handler.refuses)
        handlers, health = {event_type: handler}, ConsumerHealth()
        loop = consume(kafka, name=scratch.schema, handlers=handlers, begin=begin, producer=producer, health=health)

        async def have_died() -> bool:
            return len(await dead.read()) == expected

        dead = DeadLetters(kafka, scratch.schema, [topic])
        async with running(loop):
            await until(have_died)
            yield

    return run


async def test_a_decision_that_the_broker_does_not_take_is_told_and_the_letter_stays_open(
    desk: AtDesk, consuming: Any, send: Send, event_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        async def send_and_wait(self, *_: object, **__: object) -> None:
            raise KafkaTimeoutError

    @asynccontextmanager
    async def open_refusing(_: KafkaSettings) -> AsyncIterator[Refusing]:
        yield Refusing()

    await send(event_type(thing_id="a", number=1))
    async with consuming(Faulty(1)):
        [letter] = (await desk("dead-letters", "list", "--json")).rows
        with monkeypatch.context() as patched:
            patched.setattr(letters, "open_producer", open_refusing)
            said = await desk("dead-letters", "drop", letter["id"], *DECIDED)
        outcome = "refused: The event broker did not confirm the decision; it is safe to repeat."
        assert (said.code, said.out.splitlines()[-1]) == (1, f"1/1 {letter['id']}: {outcome}")
        assert (await desk("actions", "list", "--json")).rows[0]["outcome"] == outcome
        assert (await desk("dead-letters", "drop", letter["id"], *DECIDED)).code == 0


async def test_a_replayed_letter_whose_cause_is_gone_is_applied_once(
    desk: AtDesk, consuming: Any, send: Send, notes: Pool, event_type: Any
) -> None:
    handler = Faulty(1, 2)
    for number in (1, 2, 3):
        await send(event_type(thing_id="a", number=number))
    async with consuming(handler):
        listed = (await desk("dead-letters", "list", "--json")).rows
        assert [row["reason"] for row in listed] == [f"LookupError: no thing of number {n}" for n in (1, 2)]
        first, second = (row["id"] for row in listed)
        handler.refuses.clear()
        replayed = await desk("dead-letters", "replay", first, *DECIDED)
        assert (replayed.code, f"1/1 {first}: done" in replayed.out) == (0, True)
        await until(has_noted(notes, ("a", 1)))
        again = await desk("dead-letters", "replay", first, *DECIDED)
        assert (again.code, again.err) == (1, f"{first} is not there, or not in a state for this.\n")
        assert (await desk("dead-letters", "replay", "--all", "--matching", "number 2", *DECIDED)).code == 0
        await until(has_noted(notes, ("a", 2)))
    assert sorted(await noted(notes)) == [("a", 1), ("a", 2), ("a", 3)]
    done = (await desk("actions", "list", "--json")).rows
    assert [(one["operator"], one["action"], one["subject"], one["reason"], one["outcome"]) for one in done] == [
        ("ann", "dead-letters replay", subject, "it was mended", "done") for subject in (second, first)
    ]


async def test_a_letter_can_be_read_and_a_drop_is_recorded(
    desk: AtDesk, consuming: Any, send: Send, notes: Pool, event_type: Any
) -> None:
    await send(event_type(thing_id="a", number=1))
    async with consuming(Faulty(1)):
        [row] = (await desk("dead-letters", "list", "--json")).rows
        [letter] = (await desk("dead-letters", "show", row["id"], "--json")).rows
        assert letter["headers"]["ce_id"] == row["event_id"]
        assert (await desk("dead-letters", "show", "none/such/0/0")).code == 1
        assert (await desk("dead-letters", "drop", row["id"], *DECIDED)).code == 0
        assert (await desk("dead-letters", "list")).out == "none\n"
    assert await noted(notes) == []
    assert await notes.fetchval("SELECT subject FROM operator_actions WHERE outcome = 'done'") == row["id"]


async def test_two_operators_do_not_decide_about_a_letter_at_once(
    desk: AtDesk, consuming: Any, send: Send, notes: Pool, event_type: Any
) -> None:
    await send(event_type(thing_id="a", number=1))
    async with consuming(Faulty(1)):
        [row] = (await desk("dead-letters", "list", "--json")).rows
        async with notes.acquire() as another:
            assert await another.fetchval(QUERIES["take_letter"], row["id"])
            dropped = await desk("dead-letters", "drop", row["id"], *DECIDED)
            assert (dropped.code, "left as it is" in dropped.out) == (1, True)
            assert await another.fetchval(QUERIES["give_letter_back"], row["id"])
        assert len((await desk("dead-letters", "list", "--json")).rows) == 1
        assert (await desk("dead-letters", "drop", row["id"], *DECIDED)).code == 0


async def test_topics_are_read_once_however_many_letters_are_decided_about(
    desk: AtDesk, consuming: Any, send: Send, event_type: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []

    @asynccontextmanager
    async def open_noted(settings: KafkaSettings, **options: Any) -> AsyncIterator[Any]:
        async with open_consumer(settings, **options) as reader:
            getmany = reader.getmany

            async def getmany_noted(**how: Any) -> Any:
                got = await getmany(**how)
                fetched.extend(record.offset for records in got.values() for record in records)
                return got

            monkeypatch.setattr(reader, "getmany", getmany_noted)
            yield reader

    for number in (1, 2, 3):
        await send(event_type(thing_id="a", number=number))
    async with consuming(Faulty(1, 2, 3)):
        monkeypatch.setattr(letters, "open_consumer", open_noted)
        dropped = await desk("dead-letters", "drop", "--all", *DECIDED)
        assert (dropped.code, dropped.out.count(": done")) == (0, 3)
    assert fetched == [0, 1, 2, *(2,), *(2, 3), *(3, 4)], "before each decision what is new, behind the last known one"


async def test_a_letter_that_was_decided_about_since_it_was_read_is_left_as_it_is(
    desk: AtDesk, consuming: Any, send: Send, event_type: Any, kafka: KafkaSettings, topic: str
) -> None:
    for number in (1, 2):
        await send(event_type(thing_id="a", number=number))
    another = DeadLetters(kafka, desk.context, [topic])
    async with consuming(Faulty(1, 2)):
        first, second = [letter.id for letter, _ in await another.read()]
        assert (await desk("dead-letters", "drop", first, *DECIDED)).code == 0
        assert not await another.close(first, "retried")
        assert await another.close(second, "dropped")
        assert (await desk("dead-letters", "list")).out == "none\n"


async def test_what_is_no_letter_hides_none(
    desk: AtDesk, consuming: Any, send: Send, event_type: Any, producer: AIOKafkaProducer, topic: str
) -> None:
    await send(event_type(thing_id="a", number=1))
    async with consuming(Faulty(1)):
        foreign = to_headers({"dlq_id": f"{desk.context}/foreign/0/0"})
        await producer.send_and_wait(f"{topic}.dlq", b"x", headers=foreign)
        assert len((await desk("dead-letters", "list", "--json")).rows) == 1
