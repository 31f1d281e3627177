"""Runs a process: opens its parts in order, watches its tasks, and closes everything in reverse.

    async def serve(service: Service, settings: Settings) -> None:
        pool = await service.enter(open_pool(...))
        service.check("postgres", lambda: pool.fetchval("SELECT 1"))
        service.task("relay", relay(pool, ...))

SIGTERM or SIGINT: not ready, then the parts close in reverse, each within its time. A second signal ends the
process at once. A task that ends or raises stops the process with exit code 1 and its reason in the log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from chassis.settings import TelemetrySettings

T = TypeVar("T")

Check = Callable[[], Awaitable[object]]
Compose = Callable[["Service"], Awaitable[None]]


class Service:
    """The parts of a running process, in the order in which they were opened."""

    name: str
    stopping: asyncio.Event
    """Set as soon as the process is told to stop; loops may end a piece of work early."""

    async def enter(self, part: AbstractAsyncContextManager[T]) -> T:
        """Open a part; it is closed in reverse order, within 10 s, when the process stops."""
        raise NotImplementedError

    def task(self, name: str, loop: Coroutine[Any, Any, object]) -> None:
        """Run a loop until the process stops, which cancels it. If it ends or raises before, the process stops."""
        raise NotImplementedError

    def check(self, name: str, check: Check) -> None:
        """Make readiness depend on `check`, which raises when its part does not work; it has 2 s."""
        raise NotImplementedError

    async def unready(self) -> Mapping[str, str]:
        """Why the process should get no traffic, by name of the check; empty when it is ready."""
        raise NotImplementedError


def run(
    name: str,
    compose: Compose,
    *,
    telemetry: TelemetrySettings,
    metrics_bind: str | None,
) -> int:
    """Run a process until it is told to stop (returns 0) or a part of it fails (returns 1).

    `metrics_bind` (host:port) serves /metrics, /healthz and /readyz; None if the process serves them itself.
    """
    raise NotImplementedError


def run_once(name: str, job: Callable[["Service"], Awaitable[object]], *, telemetry: TelemetrySettings) -> int:
    """Run one function with the parts it opens, log its result, and close them. Returns 0, or 1 if it raised."""
    raise NotImplementedError
