"""Runs a program on untrusted bytes: confined, with a clean environment, and never longer than the block that uses it.

In force: resource limits (CPU, memory, size of a file, open files, no core), no new privileges, an environment without
any of ours, a process group of its own that is killed at the end of the block, by the time limit, or with the worker.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from services.media.confine import NOT_CONFINED

T = TypeVar("T")

_CONFINE = Path(__file__).with_name("confine.py")
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
        """End the whole process group at once, also what the program left behind, and reap it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await self._listener

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while piece := await stderr.read(4096):
            self._complaints = (self._complaints + piece)[-_STDERR_BYTES:]


def _given(pipe: T | None) -> T:
    if pipe is None:
        raise RuntimeError("the process was started without a pipe")
    return pipe


@asynccontextmanager
async def confined(command: Sequence[str | Path], *, directory: Path, limits: Limits) -> AsyncIterator[Confined]:
    """Run `command` in `directory`; when the block ends, in whatever way, the program has ended too.

    Raises OutOfTime when the block lasts longer than `limits.wall_seconds`.
    """
    order = {
        "parent": os.getpid(),
        "limits": {
            "RLIMIT_CPU": limits.cpu_seconds,
            "RLIMIT_AS": limits.memory_bytes,
            "RLIMIT_FSIZE": limits.file_bytes,
            "RLIMIT_NOFILE": limits.open_files,
            "RLIMIT_CORE": 0,
        },
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", _CONFINE, json.dumps(order), *command),
        cwd=directory,
        env={"HOME": str(directory), "TMPDIR": str(directory), "LANG": "C.UTF-8"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=_LINE_BYTES,
    )
    program = Confined(process)
    try:
        async with asyncio.timeout(limits.wall_seconds) as wall:
            yield program
    except TimeoutError as error:
        if not wall.expired():
            raise
        raise OutOfTime(f"{Path(command[0]).name} took longer than {limits.wall_seconds:g} s") from error
    finally:
        await asyncio.shield(program.kill())
