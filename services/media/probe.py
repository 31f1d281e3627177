"""Measures an original without fetching it whole: a confined child opens it and is handed the ranges it asks for."""

import asyncio
import json
import re
import signal
import struct
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from chassis.telemetry import logger
from chassis.tracing import span
from services.media.domain.outcomes import (
    MAX_CODED_PIXELS,
    MAX_FRAME_PIXELS,
    VIDEO_CODECS,
    Fault,
    Rejected,
    corrupt,
    no_video_track,
    not_a_video,
)
from services.media.domain.source import Audio, Source, orientation
from services.media.ports import Ranges
from services.media.sandbox import PYTHON, Confined, Limits, OutOfTime, start, within
from services.media.storage import storage_faults
from services.media.workspace import scratch_directory

_CHILD = Path(__file__).with_name("probe_child.py").resolve()
# A plain clip needs 130 MiB of address space. The most is needed where an edit cuts off the beginning of a row of the
# largest frames that all refer to each other: 500 MiB. A file that needs more is made to.
_LIMITS = Limits(wall_seconds=60.0, cpu_seconds=20, memory_bytes=768 * 1024**2, file_bytes=0, open_files=32)
_DEATHS_BY_INPUT = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGXCPU}
_NUMBERS = ("video_index", "stored_width", "stored_height", "duration_ms", "start_us", "frames")
_AUDIO_NUMBERS = ("index", "channels", "sample_rate", "start_us")
_WORDS = (
    *("container", "video_codec", "pixel_format"),
    *("color_primaries", "color_transfer", "color_matrix"),
)
_MAX_RANGE_BYTES = 4 * 1024 * 1024

log = logger(__name__)


REST_SECONDS = 10.0
"""Until the next child is started ahead: by then the clip that was measured has mostly been encoded, and a worker that
goes on to its next clip at once measures it beside the encoder, where time does not matter."""

PATIENCE_SECONDS = 120.0
"""How long a child waits for a clip before it is ended: it is a fifth of an idle worker's memory, and clips that come
further apart do not mind the quarter of a second that starting one takes."""


@dataclass(frozen=True)
class _Child:
    """A child that waits for what it shall measure, and the empty directory in which it runs."""

    program: Confined
    directory: ExitStack


@dataclass(frozen=True)
class SandboxedProber:
    """The prober of this deployment. Each file has a child of its own, in an empty directory below `directory`."""

    objects: Ranges
    directory: Path
    ahead: asyncio.Queue[_Child] = field(default_factory=asyncio.Queue)
    clip_came: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep_ready(self) -> None:
        """Have a child started ahead at first and after each clip, until cancelled: a clip that comes to an idle worker
        is measured a quarter of a second earlier. One that waits in vain is ended, and the next clip starts its own.
        """
        try:
            while True:
                self.clip_came.clear()
                if self.ahead.empty():
                    try:
                        self.ahead.put_nowait(await self._start())
                    except OSError as error:
                        log.warning("no_probe_started_ahead", reason=str(error))
                with suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await self.clip_came.wait()
                if not self.clip_came.is_set():
                    await self._end_ahead()
                    await self.clip_came.wait()
                await asyncio.sleep(REST_SECONDS)
        finally:
            await self._end_ahead()

    async def _end_ahead(self) -> None:
        """A child belongs to whoever has taken it from the queue: one that is ended here is given to no clip."""
        while not self.ahead.empty():
            await _end(self.ahead.get_nowait())

    async def _next(self) -> _Child:
        """The child that was started ahead, unless something has ended it, or a new one."""
        self.clip_came.set()
        while not self.ahead.empty():
            child = self.ahead.get_nowait()
            if child.program.runs:
                return child
            await _end(child)
        return await self._start()

    async def _start(self) -> _Child:
        with ExitStack() as directory:
            empty = directory.enter_context(scratch_directory(self.directory))
            command = (sys.executable, "-I", _CHILD)
            program = await start(command, directory=empty, limits=_LIMITS, readable=(*PYTHON, _CHILD))
            return _Child(program, directory.pop_all())

    async def probe(self, key: str, size_bytes: int) -> Source:
        """See ports.Prober. Reads what the container's tables and the first frame need: mostly under 2 MB."""
        child = await self._next()
        program = child.program
        try:
            with span("probe", attributes={"process.executable.name": "probe"}), child.directory:
                async with within(_LIMITS.wall_seconds, program):
                    program.stdin.write(f"{size_bytes} {MAX_FRAME_PIXELS} {MAX_CODED_PIXELS}\n".encode())
                    result = await self._answer(program, key, size_bytes)
                    if result is None:
                        raise _death(await program.ended(), key, program.complaints)
            return _source(json.loads(result), size_bytes)
        except OutOfTime as error:
            raise Fault("TRANSCODE_TIMEOUT", "Measuring the video took too long.", transient=True) from error
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError) as error:
            log.warning("probe_not_understood", input_s3_key=key, error=repr(error))
            raise corrupt("its structure makes no sense") from error

    async def _answer(self, child: Confined, key: str, size_bytes: int) -> str | None:
        """Serve ranges until the child says its facts (as JSON); None when it ended without a word.

        Raises ValueError or TypeError when it talks nonsense, as one does that its input has taken over.
        """
        while line := await child.stdout.readline():
            word, _, rest = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
            if word == "read":
                start, length = (int(number) for number in rest.split())
                if not 0 <= start < size_bytes or length <= 0:
                    raise ValueError(f"asked for {length} bytes at {start} of {size_bytes}")
                with storage_faults():
                    data = await self.objects.get_range(key, start, min(length, _MAX_RANGE_BYTES))
                child.stdin.write(struct.pack(">I", len(data)) + data)
                # A child that has died does not listen; the end of its output says so.
                with suppress(ConnectionError):
                    await child.stdin.drain()
            elif word == "facts":
                return rest
            elif word == "refused":
                raise _refusal(*rest.split(" ", 1))
        return None


async def _end(child: _Child) -> None:
    """Also when cancelled, it returns after the child's end."""
    ending = asyncio.create_task(child.program.kill())
    with child.directory:
        try:
            await asyncio.shield(ending)
        finally:
            await ending


def _death(code: int, key: str, complaints: str) -> Rejected | Fault:
    """A rejection needs evidence: a crash of the parsers, or CPU time without end. Else it is our own mistake."""
    log.warning("probe_died", input_s3_key=key, code=code, complaints=complaints)
    if -code in _DEATHS_BY_INPUT:
        return corrupt("its structure can't be read")
    return Fault("TRANSCODER_ERROR", "The video could not be measured.", transient=True)


def _refusal(code: str, what: str) -> Rejected:
    return {"NOT_A_VIDEO": not_a_video, "NO_VIDEO_TRACK": no_video_track}.get(code, lambda: corrupt(what))()


def _source(facts: dict[str, Any], size_bytes: int) -> Source:
    """The facts, of the types and in the words that they must have: they come from a process that read hostile bytes,
    and go into another one's command line.
    """
    checked: dict[str, Any] = {name: int(facts[name]) for name in _NUMBERS}
    checked |= {name: _word(facts[name]) for name in _WORDS}
    # Of other codecs the container may not know the size.
    size = (checked["stored_width"], checked["stored_height"]) if checked["video_codec"] in VIDEO_CODECS else ()
    if min((*size, checked["frames"])) <= 0 or checked["duration_ms"] < 0:
        raise ValueError(f"no clip has these numbers: {checked}")
    return Source(
        **checked,
        size_bytes=size_bytes,
        constant_rate=bool(facts["constant_rate"]),
        interlaced=bool(facts["interlaced"]),
        orientation=orientation(*(int(value) for value in facts["matrix"])),
        pixel_aspect=_positive(facts["pixel_aspect"]),
        frame_rate=_positive(facts["frame_rate"]),
        audio=_audio(facts["audio"]) if facts["audio"] else None,
    )


def _audio(facts: dict[str, Any]) -> Audio:
    index, channels, sample_rate, start_us = (int(facts[name]) for name in _AUDIO_NUMBERS)
    return Audio(index, _word(facts["codec"]), channels, sample_rate, start_us)


def _word(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_.-]{1,32}", value):
        raise ValueError(f"{value[:64]!r} is not a name of FFmpeg's")
    return value


def _positive(value: str) -> Fraction:
    fraction = Fraction(value)
    if fraction <= 0:
        raise ValueError(f"{value} is not positive")
    return fraction
