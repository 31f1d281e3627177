"""The command line of every context: `python -m services.<context> serve|worker|migrate|job NAME|dead-letters …`.

    if __name__ == "__main__":
        sys.exit(
            main(
                "upload",
                Settings,
                serve=serve,
                jobs={"expire-uploads": expire_uploads},
                migrations="services.upload.migrations",
            )
        )

where `async def serve(service: Service, settings: Settings) -> None` composes the process and
`async def expire_uploads(service: Service, settings: Settings) -> object` opens what it needs, does its work once and
returns what is logged.

Exit codes: 0 done or stopped as told, 1 failed (the log says why), 2 wrong settings or command line.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from chassis.run import Service
from chassis.settings import TelemetrySettings


class ProcessSettings(Protocol):
    """What the settings of every process have."""

    @property
    def telemetry(self) -> TelemetrySettings: ...

    @property
    def metrics_bind(self) -> str: ...


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
) -> int:
    """Run the command of `sys.argv` and return its exit code.

    `migrations` is the package that holds NNNN_verb_noun.sql files. `worker` has settings of its own, which may nest
    those of the context.
    """
    raise NotImplementedError
