"""What every context's operators do: how they are asked and told, and about the outbox, on the real database."""

import asyncio
import os
import pty
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from desk_of_tests import DECIDED, AtDesk, DeskSettings
from pydantic import SecretStr
from scratch import Scratch, until
from travel import running

from chassis.errors import Unavailable
from chassis.events import describe, encode, encode_headers
from chassis.outbox import relay
from chassis.postgres import Pool
from chassis.settings import KafkaSettings
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished
from operating.desk import Change, Desk, Group, Row, Rows
from operating.shared import SHARED


@pytest.fixture
def desk(scratch: Scratch, kafka: KafkaSettings, event_type: Any, capsys: pytest.CaptureFixture[str]) -> AtDesk:
    settings = DeskSettings(SecretStr(scratch.dsn), kafka)
    return AtDesk(scratch.schema, settings, SHARED, capsys, consumes=[event_type])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where one types what the command reads."""
    typed, read = pty.openpty()
    with open(read) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield typed
    os.close(typed)


async def set_aside(pool: Pool, event: Any, *reasons: str) -> list[int]:
    """Rows of the outbox that Kafka is said to have refused for these reasons."""
    topic, key, _, data = encode(event, meta := describe(event))
    return [
        await pool.fetchval(
            "INSERT INTO outbox (topic, key, headers, data, set_aside_reason) VALUES ($1, $2, $3, $4, $5) RETURNING id",
            topic,
            f"{key}-{number}",
            encode_headers(event, meta),
            data,
            reason,
        )
        for number, reason in enumerate(reasons)
    ]


async def test_events_that_were_set_aside_are_sent_again_or_dropped_as_an_operator_says(
    desk: AtDesk, notes: Pool, event_type: Any, producer: AIOKafkaProducer, scratch: Scratch, wake: asyncio.Event
) -> None:
    event = event_type(thing_id="a", number=1)
    large, forbidden = await set_aside(notes, event, "MessageSizeTooLargeError: x", "TopicAuthorizationFailedError: y")
    [lag] = (await desk("outbox", "lag", "--json")).rows
    assert (lag["rows"], lag["set_aside"]) == (2, 2)
    found = (await desk("outbox", "list", "--matching", "TooLarge", "--json")).rows
    assert [row["id"] for row in found] == [large]
    assert (await desk("outbox", "drop", str(large), *DECIDED)).code == 0
    assert (await desk("outbox", "retry", "--all", *DECIDED)).code == 0
    assert await notes.fetchval("SELECT array_agg(id) FROM outbox WHERE set_aside_reason IS NULL") == [forbidden]
    assert (await desk("outbox", "drop", str(forbidden), *DECIDED)).code == 1, "what the relay may be sending stays"

    async def is_sent() -> bool:
        return not await notes.fetchval("SELECT count(*) FROM outbox")

    async with running(relay(notes, producer, wake=wake, schema=scratch.schema)):
        await until(is_sent)


async def test_an_event_is_shown_without_what_people_wrote(desk: AtDesk, notes: Pool) -> None:
    [row] = await set_aside(notes, VideoPublished(video_id="v", title="My holiday"), "MessageSizeTooLargeError: x")
    shown = await desk("outbox", "show", str(row))
    assert "title: (left out)" in shown.out
    assert "video_id: v" in shown.out
    assert "holiday" not in shown.out
    assert (await desk("outbox", "show", str(row + 1))).code == 1


async def test_what_was_sent_steers_no_terminal(desk: AtDesk, notes: Pool, event_type: Any) -> None:
    await set_aside(notes, event_type(thing_id="a"), "x \x1b[2J\nid  topic")
    assert "x ·[2J·id  topic" in (await desk("outbox", "list")).out


@pytest.mark.parametrize(
    "said",
    [("show", "9" * 30), ("list", "--matching", "\udcff"), ("drop", "--all", "--reason", "\udcff", *DECIDED[2:])],
)
async def test_what_postgresql_cannot_take_is_a_wrong_command_line(
    desk: AtDesk, notes: Pool, event_type: Any, said: tuple[str, ...]
) -> None:
    await set_aside(notes, event_type(thing_id="a"), "MessageSizeTooLargeError: x")
    refused = await desk("outbox", *said)
    assert (refused.code, "PostgreSQL can't take" in refused.err) == (2, True)
    assert await notes.fetchval("SELECT count(*) FROM outbox") == 1


@pytest.mark.parametrize(
    "spoilt",
    [
        "DROP TABLE operator_actions",
        "ALTER TABLE operator_actions RENAME COLUMN subject TO thing",
        "REVOKE INSERT ON operator_actions FROM {}",
    ],
)
async def test_a_schema_that_is_behind_is_told_with_what_to_run(
    desk: AtDesk, notes: Pool, event_type: Any, scratch: Scratch, spoilt: str
) -> None:
    [row] = await set_aside(notes, event_type(thing_id="a"), "MessageSizeTooLargeError: x")
    owner = await asyncpg.connect(scratch.owner_dsn)
    await owner.execute(spoilt.format(scratch.schema))
    await owner.close()
    dropped = await desk("outbox", "drop", str(row), *DECIDED)
    assert (dropped.code, "migrate`." in dropped.err) == (1, True)
    assert await notes.fetchval("SELECT count(*) FROM outbox") == 1, "what is not recorded is not done"


async def test_a_login_that_is_refused_is_told_with_postgresqls_reason(desk: AtDesk, scratch: Scratch) -> None:
    nobody = replace(desk.settings, postgres_dsn=SecretStr(scratch.dsn.replace("//", "//nobody_", 1)))
    refused = await replace(desk, settings=nobody)("outbox", "lag")
    assert (refused.code, "nobody_" in refused.err) == (1, True)


async def test_nothing_is_done_without_a_terminal_to_ask_on_or_yes(desk: AtDesk, notes: Pool, event_type: Any) -> None:
    [row] = await set_aside(notes, event_type(thing_id="a"), "MessageSizeTooLargeError: x")
    refused = await desk("outbox", "drop", str(row), "--reason", "r", "--by", "ann")
    assert refused.code == 2
    assert "MessageSizeTooLargeError: x" in refused.out, "it shows what it would be done to"
    assert refused.err.endswith("Nothing was done: there is no terminal to ask on, so say --yes.\n")
    assert await notes.fetchval("SELECT count(*) FROM outbox") == 1
    assert await notes.fetchval("SELECT count(*) FROM operator_actions") == 0


@pytest.mark.parametrize(("answer", "code", "left"), [("\x04", 1, 1), ("\n", 1, 1), ("n\n", 1, 1), ("y\n", 0, 0)])
async def test_on_a_terminal_it_asks(
    desk: AtDesk, notes: Pool, event_type: Any, terminal: int, answer: str, code: int, left: int
) -> None:
    [row] = await set_aside(notes, event_type(thing_id="a"), "MessageSizeTooLargeError: x")
    os.write(terminal, answer.encode())
    assert (await desk("outbox", "drop", str(row), "--reason", "r", "--by", "ann")).code == code
    assert await notes.fetchval("SELECT count(*) FROM outbox") == left


@pytest.mark.parametrize(
    "said",
    [
        DECIDED,
        ("1", "--all", *DECIDED),
        ("1", "--limit", "0", *DECIDED),
        ("1", "--limit", "10001", *DECIDED),
        ("1", "--by", "ann", "--yes"),
        ("1", "--by", "ann", "--reason", " ", "--yes"),
        ("1", "--by", "ann", "--reason", "x" * 501, "--yes"),
    ],
)
async def test_a_change_says_to_what_and_why_and_stays_within_its_limit(desk: AtDesk, said: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as stopped:
        await desk("outbox", "drop", *said)
    assert stopped.value.code == 2


async def test_no_more_than_the_limit_is_printed_or_done_and_the_rest_is_told(
    desk: AtDesk, notes: Pool, event_type: Any
) -> None:
    await set_aside(notes, event_type(thing_id="a"), *["InvalidTopicError: x"] * 3)
    listed = await desk("outbox", "list", "--limit", "2", "--json")
    assert (len(listed.rows), listed.err) == (2, "There are more than 2; --limit says how many to take.\n")
    dropped = await desk("outbox", "drop", "--all", "--limit", "2", *DECIDED)
    assert dropped.err == "There are more than 2; --limit says how many to take.\n"
    assert await notes.fetchval("SELECT count(*) FROM outbox") == 1


async def test_the_role_of_a_service_rewrites_nothing_that_was_recorded_whatever_it_is_granted(
    notes: Pool, scratch: Scratch
) -> None:
    owner = await asyncpg.connect(scratch.owner_dsn)
    await owner.execute(
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {scratch.schema} TO {scratch.schema}"
    )
    await owner.close()
    await notes.execute("INSERT INTO operator_actions (operator, action, subject, reason) VALUES ('a', 'b', 'c', 'd')")
    await notes.execute("UPDATE operator_actions SET ended_at = now(), outcome = 'done'")
    for statement in (
        "UPDATE operator_actions SET operator = 'x'",
        "UPDATE operator_actions SET outcome = 'another'",
        "DELETE FROM operator_actions",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await notes.execute(statement)


async def test_what_is_refused_or_breaks_is_recorded_and_the_others_are_done(desk: AtDesk, notes: Pool) -> None:
    async def find(place: Desk, asked: Namespace) -> Rows:
        return [{"id": what} for what in ("changed", "refused", "fine", "broken")]

    async def do(place: Desk, row: Row, reason: str) -> bool:
        if row["id"] == "refused":
            raise Unavailable("The thing is away.")
        if row["id"] == "broken":
            raise LookupError(reason)
        return bool(row["id"] == "fine")

    with pytest.raises(LookupError):
        await replace(desk, groups={"things": Group("things", {"end": Change("end them", find, do)})})(
            "things", "end", "--all", *DECIDED
        )
    assert [tuple(row) for row in await notes.fetch("SELECT subject, outcome FROM operator_actions ORDER BY id")] == [
        ("changed", "left as it is: it has changed meanwhile"),
        ("refused", "refused: The thing is away."),
        ("fine", "done"),
        ("broken", "interrupted"),
    ]
