"""Runs a program on untrusted bytes: confined, with a clean environment, and never longer than the block that uses it.

Always in force: resource limits (CPU, memory, size of a file, open files, no core), no privileges and none to gain, an
environment without any of ours, a process group of its own that is killed at the end of the block, by the time limit,
or with the worker. Where the kernel offers them, also namespaces, Landlock and seccomp: `offer()` tells which.

confine.py puts all of it in force, in the child; docs/sandbox.md says what each layer is good for.
"""

import asyncio
import marshal
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar, get_args

from services.media.confine import NOT_CONFINED
from services.media.system_calls import build_filter

T = TypeVar("T")
Layer = Literal["namespaces", "landlock", "seccomp"]
LAYERS: frozenset[Layer] = frozenset(get_args(Layer))

PYTHON = (Path(sys.prefix), Path(sys.base_prefix))
"""What a Python program reads beside its own file."""
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")
"""What a dynamically linked program needs to start."""
_CONFINE = Path(__file__).with_name("confine.py").resolve()
_SURVEY_SECONDS = 20.0
_END_SECONDS = 5.0
_STDERR_BYTES = 8 * 1024
_LINE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """What the program may use. Seconds of wall time and of CPU (of all threads), bytes of memory and per file."""

    wall_seconds: float
    cpu_seconds: int
    memory_bytes: int
    file_bytes: int
    open_files: int = 128


@dataclass(frozen=True)
class Offer:
    """The layers that this machine lets us put in force, and why the others are missing."""

    in_force: frozenset[Layer]
    missing: Mapping[Layer, str]

    def require(self, layers: Collection[Layer]) -> None:
        """Raises NotConfined, which names the layers that are required and missing."""
        lacking = [f"{layer} ({self.missing[layer]})" for layer in layers if layer in self.missing]
        if lacking:
            raise NotConfined(f"this machine does not offer a required layer of the sandbox: {', '.join(lacking)}")


class OutOfTime(Exception):
    """The program was killed, because it took longer than its wall time."""


class NotConfined(Exception):
    """The program was not started, because it could not be confined; nothing was learnt about its input."""


class Confined:
    """A confined program that runs: its pipes, and how it ended."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.stdin, self.stdout = _given(process.stdin), _given(process.stdout)
        self._process = process
        self._complaints = b""
        self._listener = asyncio.create_task(self._listen(_given(process.stderr)))

    @property
    def runs(self) -> bool:
        return self._process.returncode is None

    async def ended(self) -> int:
        """Wait for the end: 0, the program's exit code, or minus the signal that killed it. Raises NotConfined."""
        code = await self._process.wait()
        await self._listener
        if code == NOT_CONFINED:
            raise NotConfined(self.complaints)
        return code

    @property
    def complaints(self) -> str:
        """The end of what the program wrote to standard error; for logs, never for users."""
        return self._complaints.decode("utf-8", "replace").strip()

    async def kill(self) -> None:
        """End the whole process group at once, also what the program left behind, and reap it.

        Where neither namespaces nor seccomp are in force, something may have left the group with the pipes open; nobody
        waits for that.
        """
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        ending = asyncio.create_task(self._process.wait())
        _, late = await asyncio.wait({ending, self._listener}, timeout=_END_SECONDS)
        for task in late:
            task.cancel()

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(4096):
            self._complaints = (self._complaints + piece)[-_STDERR_BYTES:]


def _given(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without a pipe")
    return pipe


@asynccontextmanager
async def confined(
    command: Sequence[str | Path],
    *,
    directory: Path,
    limits: Limits,
    readable: Sequence[Path] = (),
    layers: frozenset[Layer] | None = None,
) -> AsyncIterator[Confined]:
    """Run `command` in `directory`; when the block ends, in whatever way, the program has ended too.

    See `start`. Raises OutOfTime when the block lasts longer than `limits.wall_seconds`.
    """
    program = await start(command, directory=directory, limits=limits, readable=readable, layers=layers)
    async with within(limits.wall_seconds, program):
        yield program


async def start(
    command: Sequence[str | Path],
    *,
    directory: Path,
    limits: Limits,
    readable: Sequence[Path] = (),
    layers: frozenset[Layer] | None = None,
) -> Confined:
    """Start `command` in `directory`. Whoever starts a program has to end it: by `within`, or by `Confined.kill`.

    Beside `directory`, where it may write, the program sees the system's libraries, itself, and what is `readable`.
    `layers` are those to put in force, else all that the machine offers; where one fails, nothing runs.
    """
    in_force = offer().in_force if layers is None else layers
    process = await asyncio.create_subprocess_exec(
        *_confining(command, directory, limits, readable, in_force),
        cwd=directory,
        env=_environment(directory),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=_LINE_BYTES,
    )
    return Confined(process)


@asynccontextmanager
async def within(seconds: float, program: Confined) -> AsyncIterator[None]:
    """When the block ends, in whatever way, the program has ended too. Raises OutOfTime when it lasts longer."""
    try:
        async with asyncio.timeout(seconds) as wall:
            yield
    except TimeoutError as error:
        if not wall.expired():
            raise
        raise OutOfTime(f"a confined program took longer than {seconds:g} s") from error
    finally:
        await asyncio.shield(program.kill())


def _confining(
    command: Sequence[str | Path],
    directory: Path,
    limits: Limits,
    readable: Sequence[Path],
    layers: frozenset[Layer],
) -> list[str]:
    """The command that confines itself and becomes `command`."""
    program = Path(command[0])
    # Its last link stays: by that one a Python finds its virtual environment.
    program = program.parent.resolve() / program.name
    order = {
        "parent": os.getpid(),
        "layers": sorted(layers),
        "limits": {
            "RLIMIT_CPU": limits.cpu_seconds,
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": limits.open_files,
        },
        "directory": str(directory.resolve()),
        "readable": [str(path.resolve()) for path in readable],
        "runnable": [*_SYSTEM, str(program), str(program.resolve())],
        "system_calls": _system_calls() if "seccomp" in layers else b"",
    }
    return [sys.executable, "-I", "-S", str(_CONFINE), marshal.dumps(order).hex(), str(program), *map(str, command[1:])]


def _environment(directory: Path) -> dict[str, str]:
    return {"HOME": str(directory), "TMPDIR": str(directory), "LANG": "C.UTF-8"}


_system_calls = cache(build_filter)


@cache
def offer() -> Offer:
    """What this machine offers, found by running an empty program behind each layer; asked once, about 0.2 s."""
    missing = {layer: reason for layer in sorted(LAYERS) if (reason := _refusal(layer))}
    return Offer(LAYERS - set(missing), missing)


def _refusal(layer: Layer) -> str | None:
    """Why the layer can't be put in force, if so."""
    limits = Limits(_SURVEY_SECONDS, cpu_seconds=10, memory_bytes=1024**3, file_bytes=0)
    with tempfile.TemporaryDirectory() as empty:
        directory = Path(empty)
        try:
            tried = subprocess.run(
                _confining([sys.executable, "-I", "-S", "-c", ""], directory, limits, PYTHON, frozenset({layer})),
                cwd=directory,
                env=_environment(directory),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SURVEY_SECONDS,
                check=False,
            )
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
            return str(error)
    return tried.stderr.strip() or f"ended with {tried.returncode}" if tried.returncode else None
