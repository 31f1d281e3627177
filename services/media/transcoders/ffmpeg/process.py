"""Runs one FFmpeg process on untrusted bytes, follows its progress, and says in our words how it failed."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.telemetry import logger
from chassis.tracing import failed, span
from services.media.domain.outcomes import Fault, Rejected, corrupt, disk_full
from services.media.sandbox import Confined, Limits, OutOfTime, confined
from services.media.workspace import NotPlain, used_bytes

MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_BYTES = 512 * 1024 * 1024
"""Of all temporary files of a run: the largest original, and its outputs twice because faststart rewrites them."""
LOOK_SECONDS = 1.0
_SIGNS_OF_DAMAGE = ("Invalid data found", "Decode error rate", "could not find corresponding", "moov atom not found")

log = logger(__name__)


@dataclass(frozen=True)
class Bounds:
    """What one process may take: wall seconds in all, seconds without a new frame, bytes of memory."""

    seconds: float
    stall_seconds: float
    memory_bytes: int


async def run_ffmpeg(
    command: Sequence[str],
    directory: Path,
    bounds: Bounds,
    on_frame: Callable[[int], None] = lambda frames: None,
    *,
    step: str = "run",
    renditions: Sequence[str] = (),
) -> int:
    """Run to the end; how many frames were made, where the command tells its progress on standard output. Its span
    tells for which `step` of the work it ran, and of which renditions.

    Raises Rejected when the input can't be decoded, Fault for whatever else goes wrong.
    """
    limits = Limits(
        wall_seconds=bounds.seconds,
        cpu_seconds=round(bounds.seconds * (os.cpu_count() or 1)),
        memory_bytes=bounds.memory_bytes,
        file_bytes=MAX_FILE_BYTES,
    )
    about = {"process.executable.name": "ffmpeg", "nextplay.step": step, "nextplay.renditions": renditions}
    try:
        with span(f"ffmpeg {step}", attributes=about) as told:
            async with confined(command, directory=directory, limits=limits) as program:
                watching = asyncio.create_task(_watch(directory, program))
                try:
                    frames = await _follow(program, bounds.stall_seconds, on_frame)
                    code = await program.ended()
                finally:
                    watching.cancel()
            told.set_attributes({"process.exit.code": code, "nextplay.frames": frames})
            if code != 0:
                failed(told, str(code))
        _check_directory(directory)
    except OutOfTime as error:
        raise _timeout(f"took longer than {bounds.seconds:.0f} s") from error
    if code != 0:
        log.warning("ffmpeg_failed", code=code, frames=frames, complaints=program.complaints)
        raise _failure(code, program.complaints)
    return frames


async def _watch(directory: Path, program: Confined) -> None:
    """End the program when its files become too many or too large, or can't be looked at: nothing bounds them then."""
    try:
        while True:
            _check_directory(directory)
            await asyncio.sleep(LOOK_SECONDS)
    except Exception as error:
        log.warning("converter_ended", directory=str(directory), reason=repr(error))
        await program.kill()


def _check_directory(directory: Path) -> None:
    """Raises Fault for files that no run makes, so that nobody opens them."""
    try:
        used = used_bytes(directory)
    except NotPlain as error:
        log.warning("files_not_plain", directory=str(directory), reason=str(error))
        raise Fault("TRANSCODER_ERROR", "The converter left what it should not.", transient=False) from error
    if used > MAX_BYTES:
        raise Fault(
            "TRANSCODER_ERROR",
            f"Converting the video took {used} bytes of temporary files; the limit is {MAX_BYTES} bytes.",
            transient=False,
        )


async def _follow(program: Confined, stall_seconds: float, on_frame: Callable[[int], None]) -> int:
    """Read the progress until it is closed. Every new frame puts the stall off."""
    frames = 0
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(stall_seconds) as stall:
            async for line in program.stdout:
                name, _, value = line.decode("ascii", "replace").partition("=")
                if name == "frame" and value.strip().isdigit() and int(value) > frames:
                    frames = int(value)
                    stall.reschedule(loop.time() + stall_seconds)
                    on_frame(frames)
    except TimeoutError as error:
        if not stall.expired():
            raise
        raise _timeout(f"made no frame for {stall_seconds:g} s") from error
    return frames


def _timeout(what: str) -> Fault:
    return Fault("TRANSCODE_TIMEOUT", f"Converting the video {what}.", transient=True)


def _failure(code: int, complaints: str) -> Fault | Rejected:
    """The same input fails in the same way again, unless the machine was at fault: memory, disk, a kill."""
    if "No space left on device" in complaints:
        return disk_full()
    if "File too large" in complaints:
        return Fault("TRANSCODER_ERROR", f"A converted file grew above {MAX_FILE_BYTES} bytes.", transient=False)
    if "Cannot allocate memory" in complaints:
        return Fault("TRANSCODER_ERROR", "Converting the video ran out of memory.", transient=True)
    if code == -signal.SIGXCPU:
        return _timeout("took more CPU time than its pixels explain")
    if code < 0:
        name = signal.Signals(-code).name
        return Fault("TRANSCODER_ERROR", f"The converter was ended by {name}.", transient=True)
    if any(sign in complaints for sign in _SIGNS_OF_DAMAGE):
        return corrupt("it can't be decoded")
    return Fault("TRANSCODER_ERROR", "The video could not be converted.", transient=False)
