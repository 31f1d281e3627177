"""The command line of every context: `python -m services.<context> serve|worker|migrate|job NAME|dead-letters …`.

    if __name__ == "__main__":
        sys.exit(
            main(
                "upload",
                Settings,
                serve=serve,
                jobs={"expire-uploads": expire_uploads},
                migrations="services.upload.migrations",
                consumes=[VideoDeleted],
            )
        )

`async def serve(service: Service, settings: Settings) -> None` composes the process;
`async def expire_uploads(service: Service, settings: Settings) -> object` opens what it needs, does its work once and
returns what the log shall say about it.
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message
from pydantic_settings import BaseSettings

from chassis import dead_letters
from chassis.events import topic_of
from chassis.migrations import migrate
from chassis.run import Service, run, run_once
from chassis.settings import Dsn, KafkaSettings, TelemetrySettings, load

_EXIT_CODES = "exit codes: 0 done or stopped as told, 1 failed (the log says why), 2 wrong settings or command line"


class ProcessSettings(Protocol):
    """What the settings of every process have."""

    telemetry: TelemetrySettings
    metrics_bind: str


class MigrationSettings(BaseSettings):
    """What `migrate` needs: the DSN of the role that owns the schema."""

    postgres_owner_dsn: Dsn
    telemetry: TelemetrySettings


S = TypeVar("S", bound=ProcessSettings)
W = TypeVar("W", bound=ProcessSettings)


def main(
    context: str,
    settings: type[S],
    *,
    serve: Callable[[Service, S], Awaitable[None]],
    migrations: str,
    jobs: Mapping[str, Callable[[Service, S], Awaitable[object]]] | None = None,
    worker: Callable[[Service, W], Awaitable[None]] | None = None,
    worker_settings: type[W] | None = None,
    consumes: Collection[type[Message]] = (),
) -> int:
    """Run the command of `sys.argv` and return its exit code.

    `migrations` is the package that holds the NNNN_verb_noun.sql files; schema and role are named like the context.
    `worker` has settings of its own, which may nest those of the context. `consumes` lists the events that the
    context's consumer, named like it, applies: `dead-letters` looks on their topics.
    """
    asked = _parser(context, jobs or {}, has_worker=worker is not None).parse_args()
    match asked.command:
        case "serve":
            return _run(context, settings, serve)
        case "worker" if worker and worker_settings:
            return _run(f"{context}-worker", worker_settings, worker)
        case "job" if jobs:
            job, loaded = jobs[asked.name], _load(settings)
            return run_once(f"{context}-{asked.name}", lambda service: job(service, loaded), telemetry=loaded.telemetry)
        case "migrate":
            owner = load(MigrationSettings, prefix=f"NEXTPLAY_{context.upper()}_")
            dsn, files = owner.postgres_owner_dsn.get_secret_value(), resources.files(migrations)
            return run_once(f"{context}-migrate", lambda _: migrate(dsn, context, files), telemetry=owner.telemetry)
        case "dead-letters":
            topics = {topic_of(event) for event in consumes}
            return asyncio.run(_dead_letters(asked, load(KafkaSettings), context, topics))
    raise AssertionError(f"the parser let {asked.command!r} through")


def _run(name: str, settings: type[S], compose: Callable[[Service, S], Awaitable[None]]) -> int:
    loaded = _load(settings)
    telemetry, metrics_bind = loaded.telemetry, loaded.metrics_bind
    return run(name, lambda service: compose(service, loaded), telemetry=telemetry, metrics_bind=metrics_bind)


def _load(settings: type[Any]) -> Any:
    return load(settings)


async def _dead_letters(asked: argparse.Namespace, kafka: KafkaSettings, context: str, topics: set[str]) -> int:
    """List as one JSON object a line, or decide about the named letters and say about how many."""
    if asked.action == "list":
        for letter in await dead_letters.list_dead_letters(kafka, context, topics):
            print(json.dumps(asdict(letter), default=str))  # noqa: T201
        return 0
    decision: dead_letters.Decision = "retried" if asked.action == "retry" else "dropped"
    count = await dead_letters.close_dead_letters(kafka, context, topics, None if asked.all else asked.id, decision)
    print(f"{asked.action}: {count} dead letter(s)")  # noqa: T201
    return 0 if asked.all or count == len(asked.id) else 1


def _parser(context: str, jobs: Mapping[str, object], *, has_worker: bool) -> argparse.ArgumentParser:
    described = f"The {context} context of NextPlay. Settings are environment variables, NEXTPLAY_…"
    parser = argparse.ArgumentParser(f"python -m services.{context}", description=described, epilog=_EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the gRPC server, the consumers and the relay until SIGTERM")
    if has_worker:
        commands.add_parser("worker", help="run a worker until SIGTERM")
    commands.add_parser("migrate", help="bring the schema up to date")
    if jobs:
        job = commands.add_parser("job", help="run one maintenance job now", epilog=_EXIT_CODES)
        job.add_argument("name", choices=sorted(jobs), help="which job")
    letters = commands.add_parser("dead-letters", help="events that could not be applied", epilog=_EXIT_CODES)
    actions = letters.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="print the open ones, one JSON object a line")
    for action, does in (("retry", "publish again"), ("drop", "close without applying")):
        decides = actions.add_parser(action, help=f"{does} the named ones, or all")
        which = decides.add_mutually_exclusive_group(required=True)
        which.add_argument("--all", action="store_true", help="all open ones")
        which.add_argument("--id", action="append", help="one, as `list` prints it; may be repeated")
    return parser
