"""One operating system process of the platform: what it is, how it is started, and how it is ended for certain."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from deploy.local.home import ROOT, Home, Trouble

MARKER = "NEXTPLAY_LOCAL_HOME"
"""Environment variable that every process of a home carries, so that the next start finds what a crash left behind."""

_LOG_BYTES = 20_000_000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Process:
    """A program to run. It is started when everything in `waits_for` is ready.

    `ready` raises or returns False as long as the program is not ready; None says that a program which runs to its
    end is ready when it ended with status 0 (a migration, a set-up step).
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[bool]] | None = None
    waits_for: Sequence[str] = ()
    stops_before: Sequence[str] = ()
    """What it uses without waiting for it; what it waits for is meant too."""
    environment: Mapping[str, str] = field(default_factory=dict)
    nice: int = 0
    ready_seconds: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 15
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends when the supervisor was killed."""
    unprivileged: bool = False
    """Runs as another user when we are root."""
    directory: Path = ROOT
    """Where it runs: the checkout whose modules Python finds first."""


def spawn(process: Process, home: Home) -> subprocess.Popen[bytes]:
    """Starts it with its output appended to its log. Call from the main thread: the kernel ends a child when the
    thread that started it ends."""
    log_path = home.log_of(process.name)
    if log_path.exists() and log_path.stat().st_size > _LOG_BYTES:
        log_path.replace(log_path.with_suffix(".log.1"))
    libc, supervisor = ctypes.CDLL(None), os.getpid()

    def die_with_supervisor() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, process.orphan_signal)
        if os.getppid() != supervisor:
            os._exit(1)  # it died before the kernel was told
        os.nice(process.nice)

    with log_path.open("ab") as log:
        return subprocess.Popen(
            [*as_other_user(process), *process.command],
            cwd=process.directory,
            env={**_inherited(), **process.environment, MARKER: str(home.path)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_supervisor,  # noqa: PLW1509 - the supervisor forks from a single thread only
        )


def as_other_user(process: Process) -> list[str]:
    """The command before the command that drops root, which PostgreSQL refuses to run as.

    CAP_DAC_OVERRIDE stays, because the home or the checkout may lie in a directory that only root may enter; and
    without the fix-up access(2) asks with it too, as initdb does about the programs beside it.
    """
    if not process.unprivileged or os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        raise Trouble(
            "PostgreSQL refuses to run as root, and `setpriv` (package util-linux), which runs it as another user, "
            "is not installed; install it or use a user other than root."
        )
    return [
        "setpriv",
        "--reuid=nobody",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        "--securebits=+no_setuid_fixup",
        f"--pdeathsig={process.orphan_signal.name.removeprefix('SIG')}",
        "--",
    ]


def remains_of(home: Path) -> list[psutil.Process]:
    """What still runs of an earlier supervisor of this home: processes with its marker, and PostgreSQL, which
    overwrites its environment, by its working directory."""
    found = []
    for candidate in psutil.process_iter():
        try:
            if candidate.status() == psutil.STATUS_ZOMBIE:
                continue
            marked = candidate.environ().get(MARKER) == str(home)
            if marked or (candidate.name() == "postgres" and Path(candidate.cwd()).parent == home / "data"):
                found.append(candidate)
        except (psutil.Error, OSError):
            continue
    return found


def end_remains(home: Path, *, but_ours: bool = False) -> list[str]:
    """Ends what `remains_of` finds, at once; returns their command names. Data written so far is kept. `but_ours`
    spares what runs below this process."""
    ended = []
    for _ in range(3):  # a killed process may have had a child in the making
        ours = {child.pid for child in psutil.Process().children(recursive=True)} if but_ours else set()
        remains = [process for process in remains_of(home) if process.pid not in ours]
        for process in remains:
            try:
                ended.append(f"{process.name()} ({process.pid})")
                process.kill()
            except psutil.NoSuchProcess:
                continue
        if not remains:
            break
        psutil.wait_procs(remains, timeout=5)
    return ended


def forget_dead_postmaster(data: Path) -> None:
    """Removes PostgreSQL's lock file when its process is dead but not yet reaped by whoever inherited it, which may
    take init some seconds: PostgreSQL takes a zombie for a running server. Call when `end_remains` has found nothing
    alive in `data`."""
    lock = data / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
        if psutil.Process(int(lock.read_text().split("\n")[0])).status() == psutil.STATUS_ZOMBIE:
            lock.unlink()


def _inherited() -> dict[str, str]:
    """Our own environment, so that settings which the stack does not make itself can be given to `make up`; but with
    compiled modules kept, because starting Python a dozen times without them takes half a minute."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
