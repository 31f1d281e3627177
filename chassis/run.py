"""Runs a process: opens its parts in order, watches its tasks, and closes everything in reverse.

    async def serve(service: Service, settings: Settings) -> None:
        pool = await service.enter(open_pool(...))
        service.check("postgres", lambda: pool.fetchval("SELECT 1"))
        service.task("relay", relay(pool, ...))

SIGTERM or SIGINT: not ready, then the parts close in reverse, each within its time. A second signal ends the
process at once. A task that ends or raises stops the process with exit code 1 and its reason in the log.
"""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeVar

import uvloop

from chassis.errors import Failure
from chassis.settings import TelemetrySettings
from chassis.status_server import status_server
from chassis.telemetry import logger, open_telemetry
from chassis.tracing import span

T = TypeVar("T")
Check = Callable[[], Awaitable[object]]
Compose = Callable[["Service"], Awaitable[object]]

CHECK_SECONDS, PART_SECONDS, STOP_SECONDS = 2.0, 16.0, 24.0

log = logger(__name__)


class Service:
    """The parts of a running process, in the order in which they were opened. Made by the task that operates it.

    `stopping` is set as soon as the process is told to stop, so that loops may end a piece of work early. `facts`, by
    name, are told by /readyz beside the reasons: how this process is running, as JSON can say it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self.facts: dict[str, object] = {}
        self._failed = False
        self._composer: asyncio.Task[Any] | None = asyncio.current_task()
        self._parts = AsyncExitStack()
        self._checks: dict[str, Check] = {}

    async def enter(self, part: AbstractAsyncContextManager[T]) -> T:
        """Open a part; it is closed in reverse order, within 16 s, when the process stops."""
        opened = await part.__aenter__()
        self._parts.push_async_callback(_close, part)
        return opened

    def task(self, name: str, loop: Coroutine[Any, Any, object]) -> None:
        """Run a loop until the process stops, which cancels it. If it ends or raises before, the process stops."""
        task = asyncio.create_task(loop, name=name)
        task.add_done_callback(self._task_ended)
        self._parts.push_async_callback(_cancel, task)

    def check(self, name: str, check: Check) -> None:
        """Make readiness depend on `check`, which raises when its part does not work; it has 2 s."""
        self._checks[name] = check

    async def unready(self) -> Mapping[str, str]:
        """Why the process should get no traffic, by name of the check; empty when it is ready."""
        if self.stopping.is_set():
            return {"process": "is stopping"}
        checks = dict(self._checks)
        reasons = await asyncio.gather(*(_reason(check) for check in checks.values()))
        found = {name: reason for name, reason in zip(checks, reasons, strict=True) if reason}
        return found | ({"process": "is starting"} if self._composer else {})

    def stop(self) -> None:
        """Begin to stop; a start (or the work of a job) that is still going on is abandoned."""
        if not self.stopping.is_set():
            self.stopping.set()
            if self._composer:
                self._composer.cancel()

    async def operate(self, compose: Compose, *, until_stopped: bool = True) -> int:
        """Compose, stay until stopped (unless composing is all there is to do), close; the exit code, 0 or 1."""
        try:
            await compose(self)
            self._composer = None
            if until_stopped:
                gc.freeze()  # what the start has made stays: no full collection stops everything to look through it
                log.info("process_ready")
                await self.stopping.wait()
        except asyncio.CancelledError:
            if not self.stopping.is_set():
                raise
            log.warning("process_interrupted")
            self._failed |= not until_stopped
        except Exception:
            log.error("process_failed")
            self._failed = True
        finally:
            await self._close()
        return int(self._failed)

    async def _close(self) -> None:
        self._composer = None
        self.stopping.set()
        log.info("process_stopping")
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._parts.aclose()
        except TimeoutError:
            log.error("stop_took_too_long", limit_seconds=STOP_SECONDS)
            self._failed = True
        log.info("process_stopped", failed=self._failed)

    def _task_ended(self, task: asyncio.Task[Any]) -> None:
        if self.stopping.is_set():
            return
        error = None if task.cancelled() else task.exception()
        reason = "it was cancelled" if task.cancelled() else repr(error) if error else "it returned"
        log.error("task_ended", cause=error, task=task.get_name(), reason=reason)
        self._failed = True
        self.stop()


async def _reason(check: Check) -> str | None:
    """Why a check does not pass, in words that may be shown."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return f"gave no answer within {CHECK_SECONDS:g} s"
    except Failure as failure:
        return str(failure)
    except Exception as error:
        return type(error).__name__
    return None


async def _close(part: AbstractAsyncContextManager[Any]) -> None:
    """Close a part. One that fails or takes too long is logged and does not keep the others."""
    try:
        async with asyncio.timeout(PART_SECONDS):
            await part.__aexit__(None, None, None)
    except Exception:
        opener = getattr(part, "func", type(part))
        log.error("part_not_closed", part=opener.__qualname__, limit_seconds=PART_SECONDS)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=PART_SECONDS)
    error = None if not done or task.cancelled() else task.exception()
    if not done or error:
        log.error("task_not_stopped", cause=error, task=task.get_name(), limit_seconds=PART_SECONDS)


def run(name: str, compose: Compose, *, telemetry: TelemetrySettings, metrics_bind: str | None) -> int:
    """Run a process until it is told to stop (returns 0) or a part of it fails (returns 1).

    `metrics_bind` (host:port) serves /metrics, /healthz and /readyz; None if the process serves them itself.
    """

    async def compose_with_status(service: Service) -> None:
        if metrics_bind is not None:
            await service.enter(status_server(metrics_bind, service.unready, service.facts))
        await compose(service)

    return _operate(name, compose_with_status, telemetry, until_stopped=True)


def run_once(name: str, job: Callable[[Service], Awaitable[object]], *, telemetry: TelemetrySettings) -> int:
    """Run one function with the parts it opens, log its result, close them. Returns 0, or 1 if it did not finish."""

    async def work(service: Service) -> None:
        started = time.monotonic()
        with span(f"job {name}"):
            result = await job(service)
        log.info("job_done", result=result, seconds=round(time.monotonic() - started, 3))

    return _operate(name, work, telemetry, until_stopped=False)


def _operate(name: str, compose: Compose, telemetry: TelemetrySettings, *, until_stopped: bool) -> int:
    async def main() -> int:
        service = Service(name)
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, _told, service, signum)
        return await service.operate(compose, until_stopped=until_stopped)

    with open_telemetry(name, telemetry), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def _told(service: Service, signum: signal.Signals) -> None:
    if service.stopping.is_set():
        log.warning("stop_forced", signal=signum.name)
        os._exit(128 + signum)
    log.info("stop_asked", signal=signum.name)
    service.stop()
