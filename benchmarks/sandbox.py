"""What it costs to confine a child."""

import asyncio
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import imageio_ffmpeg

from benchmarks.measure import Measure
from services.media.sandbox import PYTHON, Limits, confined, offer

ROUNDS = 40
LIMITS = Limits(wall_seconds=60, cpu_seconds=20, memory_bytes=2 * 1024**3, file_bytes=0)
CHILDREN = {
    "ffmpeg": ([imageio_ffmpeg.get_ffmpeg_exe(), "-version"], ()),
    "probe": ([sys.executable, "-I", "-c", "import av"], PYTHON),
}


def measure() -> list[Measure]:
    """Start each kind of child confined and not, in turn, and compare the CPU time that the least disturbed took."""
    layers = ", ".join(sorted(offer().in_force)) or "no layer"
    how = f"least user and system time of {ROUNDS} starts each, taken in turn; in force: {layers}"
    measures: list[Measure] = []
    with tempfile.TemporaryDirectory(prefix="nextplay-sandbox-") as directory:
        for name, (command, readable) in CHILDREN.items():
            bare = partial(_bare, command, Path(directory))
            inside = partial(_confined, command, Path(directory), readable)
            alone, within = asyncio.run(_least(bare, inside))
            measures.append(Measure(f"confining {name}", 1000 * (within - alone), "ms", 60.0, how))
    return measures


async def _bare(command: list[str], directory: Path) -> None:
    quiet = asyncio.subprocess.DEVNULL
    await (await asyncio.create_subprocess_exec(*command, cwd=directory, stdout=quiet)).wait()


async def _confined(command: list[str], directory: Path, readable: tuple[Path, ...]) -> None:
    async with confined(command, directory=directory, limits=LIMITS, readable=readable) as child:
        await child.stdout.read()
        assert await child.ended() == 0


async def _least(*ways: Callable[[], Awaitable[None]]) -> list[float]:
    """CPU seconds of each way."""
    least = [float("inf")] * len(ways)
    for _ in range(ROUNDS):
        for number, way in enumerate(ways):
            before = _cpu_seconds()
            await way()
            least[number] = min(least[number], _cpu_seconds() - before)
    return least


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
