"""The operators' desk: what people look at and decide, as subcommands of `python -m services.<context>`.

    JOBS = Group(
        "transcodes that were asked for",
        {
            "list": Look("list those under way, the oldest first", list_jobs, filters),
            "cancel": Change("end them as failed; the owners are told the reason", find_active, cancel),
        },
    )
    main("media", …, operate=desk_for("media", consumes=HANDLERS, groups={"jobs": JOBS}))

A `Look` prints rows as text, or with --json as one object a line, `--limit` at most. A `Change` prints what it would be
done to and asks; without a terminal it is done with --yes alone, and otherwise exits with 2. Each thing that is decided
about is recorded in `operator_actions` of the context's schema: before it is done, and how it ended. So what was begun
and has no end is what somebody was interrupted in. Everything is done as the service's own role, with its own settings.
"""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeAlias

import asyncpg
from google.protobuf.message import Message

from chassis import queries
from chassis.command import EXIT_CODES
from chassis.errors import Failure
from chassis.events import topic_of
from chassis.postgres import Pool, acquire, open_pool
from chassis.settings import Dsn, KafkaSettings
from operating.letters import DeadLetters

QUERIES = queries.load("operating")
DONE, FAILED, WRONG = 0, 1, 2
MOST, MOST_SAID = 10_000, 500

Row: TypeAlias = Mapping[str, Any]
Rows: TypeAlias = Sequence[Row]


class DeskSettings(Protocol):
    """What the settings of every context have."""

    postgres_dsn: Dsn
    kafka: KafkaSettings


@dataclass(frozen=True)
class Desk:
    """What commands work with. `settings` are of the context's own class, `letters` the dead ones of its consumer."""

    context: str
    settings: Any
    letters: DeadLetters
    pool: Pool

    async def fetch(self, statement: str, *values: object) -> list[dict[str, Any]]:
        """The rows of a named statement. Raises Unavailable."""
        async with acquire(self.pool) as connection:
            return [dict(row) for row in await connection.fetch(statement, *values)]


Arguments: TypeAlias = Callable[[ArgumentParser], object]


def _no_arguments(parser: ArgumentParser) -> None: ...


@dataclass(frozen=True)
class Look:
    """Reads, and returns one thing or rows: of these one more than `asked.limit`, where there are more."""

    help: str
    read: Callable[[Desk, Namespace], Awaitable[Row | Rows]]
    arguments: Arguments = _no_arguments


@dataclass(frozen=True)
class Change:
    """Is done to each of the rows that `find` returns for `asked.ids`, or for all if that is empty; each row has an
    `id`. `find` leaves out what it can't be done to, and returns one more than `asked.limit`, where there are more.

    `do` gets a row and the reason; False when the thing has changed since it was found. Raises Failure.
    """

    help: str
    find: Callable[[Desk, Namespace], Awaitable[Rows]]
    do: Callable[[Desk, Row, str], Awaitable[bool]]
    arguments: Arguments = _no_arguments


@dataclass(frozen=True)
class Group:
    """The commands about one kind of thing, by name."""

    help: str
    commands: Mapping[str, Look | Change]


def desk_for(
    context: str, *, consumes: Collection[type[Message]], groups: Mapping[str, Group]
) -> Callable[[Any], None]:
    """What `chassis.command.main` takes as `operate`: adds the groups to the subparsers of its command line. `consumes`
    are the events that the context's consumer applies, on whose topics dead letters are looked for.
    """
    topics = {topic_of(event) for event in consumes}

    def add_to(parsers: Any) -> None:
        for group_name, group in groups.items():
            actions = parsers.add_parser(group_name, help=group.help).add_subparsers(dest="action", required=True)
            for name, command in group.commands.items():
                parser = actions.add_parser(name, help=command.help, description=f"{command.help}.", epilog=EXIT_CODES)
                parser.set_defaults(
                    parser=parser, run=partial(_run, context, topics, command), name=f"{group_name} {name}"
                )
                parser.add_argument("--limit", type=int, default=50, help=f"at most so many, 1 to {MOST} (%(default)s)")
                command.arguments(parser)
                if isinstance(command, Look):
                    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
                else:
                    _add_arguments_of_change(parser)

    return add_to


def _add_arguments_of_change(parser: ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="which ones; or --all")
    parser.add_argument("--all", action="store_true", help="all that the command finds")
    parser.add_argument("--reason", required=True, help="why; recorded")
    parser.add_argument("--by", required=True, help="who decides; recorded")
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def _run(
    context: str, topics: Collection[str], command: Look | Change, settings: DeskSettings, asked: Namespace
) -> int:
    """Carry a command out; its exit code."""
    if not 1 <= asked.limit <= MOST:
        asked.parser.error(f"--limit is {asked.limit}, and must be 1 to {MOST}")
    if isinstance(command, Change):
        if bool(asked.ids) == asked.all:
            asked.parser.error("name what it is to be done to, or say --all")
        for name, said in {"--reason": asked.reason, "--by": asked.by}.items():
            if not 1 <= len(said.strip()) <= MOST_SAID:
                asked.parser.error(f"{name} has {len(said.strip())} characters, and must have 1 to {MOST_SAID}")
        asked.limit = max(asked.limit, len(asked.ids))

    async def at_the_desk() -> int:
        dsn = settings.postgres_dsn.get_secret_value()
        async with open_pool(dsn, application_name=f"{context}-operator", max_size=2) as pool:
            place = Desk(context, settings, DeadLetters(settings.kafka, context, topics), pool)
            return await (_look(place, command, asked) if isinstance(command, Look) else _change(place, command, asked))

    try:
        return asyncio.run(at_the_desk())
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InsufficientPrivilegeError) as error:
        _say(
            f"The schema {context} is not as it has to be ({error}): run `python -m services.{context} migrate`.",
            error=True,
        )
    except (asyncpg.DataError, asyncpg.InterfaceError) as error:
        _say(f"PostgreSQL can't take what was asked for: {error}.", error=True)
        return WRONG
    except BrokenPipeError:
        # As of `| head`: nobody reads on, which is a mistake only of what has not all been done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE if isinstance(command, Look) else FAILED
    except (Failure, KeyboardInterrupt) as stopped:
        why = f" ({stopped.__cause__})" if isinstance(stopped.__cause__, asyncpg.PostgresError) else ""
        _say(f"{stopped}{why}" if str(stopped) else "Interrupted.", error=True)
    return FAILED


async def _look(desk: Desk, look: Look, asked: Namespace) -> int:
    found = await look.read(desk, asked)
    if not isinstance(found, Mapping):
        found = _up_to_limit(found, asked)
    for line in _as_json(found) if asked.json else _as_text(found):
        _say(line)
    return DONE


async def _change(desk: Desk, change: Change, asked: Namespace) -> int:
    rows = _up_to_limit(await change.find(desk, asked), asked)
    missing = set(asked.ids) - {str(row["id"]) for row in rows}
    for one in sorted(missing):
        _say(f"{one} is not there, or not in a state for this.", error=True)
    for line in _as_text(rows):
        _say(line)
    if not rows:
        return FAILED if missing else DONE
    if not asked.yes:
        asks = f"{asked.name}: {change.help}, {len(rows)} of them."
        if not sys.stdin.isatty():
            _say(f"{asks} Nothing was done: there is no terminal to ask on, so say --yes.", error=True)
            return WRONG
        if (await _answer(f"{asks} Go on? [y/N] ")).strip().lower() not in ("y", "yes"):
            _say("Nothing was done.", error=True)
            return FAILED
    done = [
        await _recorded(desk, change, asked, row, f"{number}/{len(rows)}") for number, row in enumerate(rows, start=1)
    ]
    return DONE if all(done) and not missing else FAILED


async def _answer(question: str) -> str:
    """The line that the terminal says, empty at its end. Unlike `input`, which asyncio's handler of signals does not
    end, it is over at Ctrl-C."""
    _say(question, end="")
    loop, said = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, said.set)
    try:
        await said.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()


async def _recorded(desk: Desk, change: Change, asked: Namespace, row: Row, progress: str) -> bool:
    """Do it to one, with a record of who began that and why, and of how it ended."""
    begun = asked.by, asked.name, str(row["id"]), asked.reason
    [action] = await desk.fetch(QUERIES["begin_operator_action"], *begun)
    outcome = "interrupted"
    try:
        done = await change.do(desk, row, asked.reason)
        outcome = "done" if done else "left as it is: it has changed meanwhile"
    except Failure as failure:
        done, outcome = False, f"refused: {failure}"
    finally:
        await desk.fetch(QUERIES["end_operator_action"], action["id"], outcome)
    _say(f"{progress} {row['id']}: {outcome}")
    return done


def _up_to_limit(rows: Rows, asked: Namespace) -> Rows:
    if len(rows) > asked.limit:
        _say(f"There are more than {asked.limit}; --limit says how many to take.", error=True)
    return rows[: asked.limit]


def _as_json(found: Row | Rows) -> Iterator[str]:
    return (json.dumps(one, default=str) for one in ([found] if isinstance(found, Mapping) else found))


def _as_text(found: Row | Rows) -> Iterator[str]:
    """Rows as a table; one thing as a line for each name, with what it consists of below."""
    if isinstance(found, Mapping):
        for name, value in found.items():
            nested = isinstance(value, (Mapping, list))
            yield f"{name}:" if nested else f"{name}: {_text(value)}"
            yield from (f"  {line}" for line in _as_text(value)) if nested else ()
        return
    if not found:
        yield "none"
        return
    table = [list(found[0]), *([_text(value) for value in row.values()] for row in found)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    # Of what others sent, nothing may steer a terminal.
    return "-" if value is None else "".join(one if one.isprintable() else "·" for one in str(value))


def _say(line: str, *, error: bool = False, end: str = "\n") -> None:
    print(line, file=sys.stderr if error else sys.stdout, flush=True, end=end)
