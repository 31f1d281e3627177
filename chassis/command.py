"""The command line of every context: `python -m services.<context> serve|worker|migrate|job NAME`, and what
operators do.

    if __name__ == "__main__":
        sys.exit(
            main(
                "upload",
                Settings,
                serve=serve,
                jobs={"expire-uploads": expire_uploads},
                migrations="services.upload.migrations",
                operate=desk_for("upload", consumes=[VideoDeleted], groups=SHARED),
            )
        )

`async def serve(service: Service, settings: Settings) -> None` composes the process;
`async def expire_uploads(service: Service, settings: Settings) -> object` opens what it needs, does its work once and
returns what the log shall say about it.
"""

import argparse
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from typing import Any, Protocol, TypeVar

from pydantic_settings import BaseSettings

from chassis.migrations import migrate
from chassis.run import Service, run, run_once
from chassis.settings import Dsn, TelemetrySettings, load

EXIT_CODES = (
    "exit codes: 0 done or stopped as told, 1 failed or not all done (the log or the output says why), "
    "2 wrong settings or command line, or nobody to ask"
)


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
    operate: Callable[[Any], None] | None = None,
) -> int:
    """Run the command of `sys.argv` and return its exit code.

    `migrations` is the package that holds the NNNN_verb_noun.sql files; schema and role are named like the context.
    `worker` has settings of its own, which may nest those of the context. `operate` adds subcommands to the parser;
    each sets the default `run`, which gets the settings and what was asked, and returns the exit code.
    """
    asked = _parser(context, jobs or {}, operate or (lambda _: None), has_worker=worker is not None).parse_args()
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
    code: int = asked.run(_load(settings), asked)
    return code


def _run(name: str, settings: type[S], compose: Callable[[Service, S], Awaitable[None]]) -> int:
    loaded = _load(settings)
    telemetry, metrics_bind = loaded.telemetry, loaded.metrics_bind
    return run(name, lambda service: compose(service, loaded), telemetry=telemetry, metrics_bind=metrics_bind)


def _load(settings: type[Any]) -> Any:
    return load(settings)


def _parser(
    context: str, jobs: Mapping[str, object], operate: Callable[[Any], None], *, has_worker: bool
) -> argparse.ArgumentParser:
    described = f"The {context} context of NextPlay. Settings are environment variables, NEXTPLAY_…"
    parser = argparse.ArgumentParser(f"python -m services.{context}", description=described, epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="run the gRPC server, the consumers and the relay until SIGTERM")
    if has_worker:
        commands.add_parser("worker", help="run a worker until SIGTERM")
    commands.add_parser("migrate", help="bring the schema up to date")
    if jobs:
        job = commands.add_parser("job", help=f"run one maintenance job now: {', '.join(jobs)}", epilog=EXIT_CODES)
        job.add_argument("name", choices=sorted(jobs), help="which job")
    operate(commands)
    return parser
