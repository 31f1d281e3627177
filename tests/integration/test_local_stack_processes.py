"""How the local supervisor keeps one process running, and when jobs run."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from deploy.local.home import Home, open_home
from deploy.local.process import Process, as_other_user
from deploy.local.schedule import Schedule
from deploy.local.watch import Watch, end, keep_running


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(tmp_path / "home")


async def test_a_process_that_dies_before_it_is_ready_is_told_in_one_sentence(home: Home) -> None:
    watch = Watch(python("crash", "import sys; sys.exit(7)", ready=never))
    async with kept(watch, home):
        await until(lambda: watch.trouble is not None)

    assert watch.trouble == f"crash ended 3 times in a row, last with status 7; read {home.log_of('crash')}."


async def test_a_process_that_refuses_its_settings_is_told_at_once(home: Home) -> None:
    watch = Watch(python("picky", "import sys; sys.exit(2)", ready=never))
    async with kept(watch, home):
        await until(lambda: watch.trouble is not None)

    assert watch.trouble == f"picky does not start with these settings; read {home.log_of('picky')}."
    assert watch.restarts <= 1


async def test_a_program_that_is_missing_is_told(home: Home) -> None:
    watch = Watch(Process("absent", ["/does/not/exist"]))
    async with kept(watch, home):
        await until(lambda: watch.trouble is not None)

    assert watch.trouble == "absent could not be started: [Errno 2] No such file or directory: '/does/not/exist'"


async def test_a_killed_process_is_started_again_and_no_trouble_is_made_of_it(home: Home) -> None:
    watch = Watch(python("worker", "import time; time.sleep(600)", ready=at_once))
    async with kept(watch, home):
        for _ in range(4):
            await until(watch.ready.is_set)
            killed = watch.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await until(partial(another_life, watch, killed))

        assert watch.trouble is None
        assert watch.restarts == 4


async def test_a_process_starts_when_what_it_waits_for_is_ready(home: Home) -> None:
    first = Watch(python("first", "import time; time.sleep(600)", ready=at_once))
    second = Watch(Process("second", [sys.executable, "-c", ""], waits_for=["first"]))
    others = {"first": first, "second": second}
    waiting = asyncio.create_task(keep_running(second, others, home, lambda: None))
    await asyncio.sleep(0)
    assert second.child is None

    async with kept(first, home):
        await asyncio.wait_for(waiting, timeout=10)

    assert second.state == "done"


async def test_a_process_that_ignores_the_request_to_stop_is_killed_with_its_children(home: Home) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    watch = Watch(Process("stubborn", [sys.executable, "-u", "-c", stubborn], ready=at_once, stop_seconds=0.2))
    log = home.log_of("stubborn")
    async with kept(watch, home):
        await until(lambda: log.exists() and log.read_text().endswith("\n"))
        child = int(log.read_text())

    await until(lambda: not alive(child))


async def test_a_held_process_stays_down_until_it_is_released(home: Home) -> None:
    watch = Watch(python("worker", "import time; time.sleep(600)", ready=at_once))
    async with kept(watch, home):
        await until(watch.ready.is_set)
        watch.wanted.clear()
        await end(watch)
        await until(lambda: watch.state == "held")

        watch.wanted.set()
        await until(lambda: watch.state == "ready")

    assert watch.restarts == 0


async def test_two_runs_of_a_job_never_overlap(home: Home, tmp_path: Path) -> None:
    mark = tmp_path / "running"
    body = f"import os, sys, time; os.mkdir({str(mark)!r});time.sleep(0.2); os.rmdir({str(mark)!r})"
    schedule = Schedule(home, {"job": ("* * * * *", Process("job", [sys.executable, "-c", body]))})

    assert await asyncio.gather(*(schedule.run_now("job") for _ in range(3))) == [0, 0, 0]


async def test_a_failed_job_tells_its_status(home: Home) -> None:
    schedule = Schedule(home, {"job": ("* * * * *", Process("job", [sys.executable, "-c", "raise SystemExit(3)"]))})

    assert await schedule.run_now("job") == 3


class kept:
    """Keeps a process running inside the block, and ends it after."""

    def __init__(self, watch: Watch, home: Home) -> None:
        self._run = keep_running(watch, {watch.process.name: watch}, home, lambda: None)

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._run)

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def python(name: str, body: str, ready: Callable[[], object]) -> Process:
    return Process(name, [sys.executable, "-c", body], ready=ready)  # type: ignore[arg-type]


def another_life(watch: Watch, than: int) -> bool:
    return watch.pid not in (than, None)


async def at_once() -> bool:
    return True


async def never() -> bool:
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


def test_what_lies_in_a_private_folder_is_found_by_the_user_that_postgresql_runs_as(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    tmp_path.chmod(0o700)
    other_user = as_other_user(Process("probe", [], unprivileged=True))
    question = f"import os, sys; sys.exit(not os.access({str(program)!r}, os.X_OK))"
    assert subprocess.run([*other_user, sys.executable, "-c", question], timeout=20, check=False).returncode == 0
