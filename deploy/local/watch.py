"""Keeps one process running: starts it when what it waits for is ready, restarts it when it dies, says when that does
not help, and ends it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from deploy.local.home import Home, Trouble, check_disk
from deploy.local.process import Process, end_remains, spawn

State = Literal["waiting", "starting", "ready", "done", "restarting", "failing", "held", "stopped"]

_FAILURES_BEFORE_ALARM = 3
_LONGEST_PAUSE_SECONDS = 20
_SETTLED_SECONDS = 10
_BAD_SETTINGS = 2
"""The exit status of a process whose settings are wrong."""


@dataclass
class Watch:
    """What the supervisor knows about a process. `failures` counts ends in a row that came before it was ready or
    soon after; from the third on `trouble` has a sentence, and the attempts go on, further apart."""

    process: Process
    state: State = "waiting"
    child: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    failures: int = 0
    trouble: str | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared while somebody holds the process down."""

    @property
    def pid(self) -> int | None:
        return self.child.pid if self.child else None


async def keep_running(watch: Watch, others: Mapping[str, Watch], home: Home, changed: Callable[[], None]) -> None:
    """Runs until cancelled, or until a process that runs to its end did so; `changed` is called at every change of
    state. The child is ended when this is cancelled."""
    for name in watch.process.waits_for:
        await others[name].ready.wait()
    watch.wanted.set()
    try:
        while True:
            if not watch.wanted.is_set():
                _enter(watch, "held", changed)
            await watch.wanted.wait()
            if await _run_once(watch, home, changed):
                return
            if watch.wanted.is_set():
                watch.restarts += 1
                _enter(watch, "failing" if watch.trouble else "restarting", changed)
                await asyncio.sleep(min(0.1 * 2 ** max(watch.failures - 1, 0), _LONGEST_PAUSE_SECONDS))
    finally:
        if watch.state != "done":
            watch.ready.clear()
        await end(watch)
        if watch.state != "done":
            _enter(watch, "stopped", changed)


@contextlib.asynccontextmanager
async def kept_running(processes: Sequence[Process], home: Home) -> AsyncIterator[list[Watch]]:
    """Processes beside those of a supervisor, all of them ready, until the block ends.

    Raises `Trouble` when they are not ready in time.
    """
    watches = [Watch(replace(process, waits_for=())) for process in processes]
    keepers = [asyncio.create_task(keep_running(watch, {}, home, lambda: None)) for watch in watches]
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(process.ready_seconds for process in processes)):
                await asyncio.gather(*(watch.ready.wait() for watch in watches))
        if late := [str(home.log_of(watch.process.name)) for watch in watches if not watch.ready.is_set()]:
            raise Trouble(f"Not ready in time; read {', '.join(late)}.")
        yield watches
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.wait(keepers)


async def end(watch: Watch) -> None:
    """Asks the process to stop, then kills it and whatever is left of its session."""
    child = watch.child
    if child is None:
        return
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(watch.process.stop_signal)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_ended(child), watch.process.stop_seconds)
    _kill_session(child.pid)
    await _ended(child)


async def run_to_end(process: Process, home: Home, seconds: float) -> int:
    """Runs a process once and returns its exit status; kills it when it takes longer or we are cancelled."""
    child = spawn(process, home)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_ended(child), seconds)
    finally:
        _kill_session(child.pid)
        await _ended(child)
    return child.returncode


async def _run_once(watch: Watch, home: Home, changed: Callable[[], None]) -> bool:
    """One life of the process. True when it is not to be started again."""
    process = watch.process
    _enter(watch, "starting", changed)
    if watch.failures:
        # What an earlier supervisor left behind may have been too young to be found when we started.
        end_remains(home.path, but_ours=True)
    try:
        child = watch.child = spawn(process, home)
    except (OSError, Trouble) as error:
        watch.failures += 1
        watch.trouble = f"{process.name} could not be started: {error}"
        return False
    ended = asyncio.create_task(_ended(child))
    ready_at: float | None = None
    try:
        if process.ready is not None:
            became_ready = asyncio.create_task(_until_ready(process.ready, process.ready_seconds))
            await asyncio.wait({ended, became_ready}, return_when=asyncio.FIRST_COMPLETED)
            became_ready.cancel()
            if not ended.done():
                if became_ready.result():
                    ready_at = time.monotonic()
                    watch.ready.set()
                    _enter(watch, "ready", changed)
                else:
                    _kill_session(child.pid)
        status = await ended
    finally:
        ended.cancel()
    watch.ready.clear()
    _kill_session(child.pid)
    watch.child = None
    if process.ready is None and status == 0:
        watch.trouble = None
        watch.ready.set()
        _enter(watch, "done", changed)
        return True
    settled = ready_at is not None and time.monotonic() - ready_at > _SETTLED_SECONDS
    killed_when_ready = ready_at is not None and status == -signal.SIGKILL
    watch.failures = 0 if settled or killed_when_ready or not watch.wanted.is_set() else watch.failures + 1
    if ready_at is None and status == _BAD_SETTINGS:
        watch.failures = max(watch.failures, _FAILURES_BEFORE_ALARM)  # trying again changes nothing
    watch.trouble = _trouble(watch, home, status) if watch.failures >= _FAILURES_BEFORE_ALARM else None
    return False


async def _until_ready(is_ready: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """False when it did not become ready in time."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while time.monotonic() < deadline:
        with contextlib.suppress(Exception):  # not ready is whatever its check raises
            if await is_ready():
                return True
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.25)
    return False


def _trouble(watch: Watch, home: Home, status: int) -> str:
    how = f"status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
    log = home.log_of(watch.process.name)
    try:
        check_disk(home.path)
    except Trouble as full:
        return f"{watch.process.name} keeps ending ({how}): {full} Its log is {log}."
    if status == _BAD_SETTINGS:
        return f"{watch.process.name} does not start with these settings; read {log}."
    return f"{watch.process.name} ended {watch.failures} times in a row, last with {how}; read {log}."


async def _ended(child: subprocess.Popen[bytes]) -> int:
    """Its exit status, negative for a signal."""
    try:
        descriptor = os.pidfd_open(child.pid)
    except ProcessLookupError:
        return child.wait()
    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return child.wait()


def _kill_session(pid: int) -> None:
    """What the process started itself (an ffmpeg, say) goes with it: each process leads a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _enter(watch: Watch, state: State, changed: Callable[[], None]) -> None:
    watch.state = state
    changed()
