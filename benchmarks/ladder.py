"""What the ladder costs and gives, against one FFmpeg process a rung; how much memory the largest source takes; and how
long the corpus of clips takes.
"""

import asyncio
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from benchmarks.measure import Measure
from benchmarks.scenes import SECONDS, camera_clip, largest_clip
from services.media.domain.source import Source
from services.media.ladder import LADDER, Rung, plan
from services.media.probe import SandboxedProber
from services.media.settings import THREADS
from services.media.transcoders.ffmpeg import commands, tonemap
from tests.corpus.everything import CORPUS

_SIZES = {"720p": (1280, 720), "480p": (854, 480), "240p": (426, 240)}
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")


@dataclass(frozen=True)
class Way:
    """One way to make the ladder, and what it may cost of ours: its x264 options, our CPU over its CPU at most."""

    name: str
    options: Sequence[str]
    limit: float


WAYS = (
    Way("medium", ("-preset", "medium", "-force_key_frames", "expr:gte(t,n_forced*4)"), 0.35),
    Way("veryfast -bf 16", ("-preset", "veryfast", "-bf", "16"), 0.6),
)


@dataclass(frozen=True)
class Cost:
    """Of processes that ran one after the other: CPU and wall seconds, and the largest one's memory in bytes."""

    cpu: float
    wall: float
    memory: int


@dataclass(frozen=True)
class Rungs:
    """A finished ladder: its cost, and the VMAF and the bytes of each rung by name."""

    cost: Cost
    vmaf: Mapping[str, float]
    size: Mapping[str, int]


def measure() -> list[Measure]:
    """Ours and the two other ways on the same clip, in turn; then the largest source, then the corpus."""
    clip = camera_clip()
    with tempfile.TemporaryDirectory(prefix="nextplay-ladder-") as directory:
        home = Path(directory)
        ours = _score(clip, home / "ours", lambda path: run(path, bare_ladder(clip, measured(clip, path), path)))
        measures = [
            measure
            for way in WAYS
            for measure in _against(way, ours, _score(clip, home / way.name, partial(_each, way, clip)))
        ]
        return [*measures, _memory(home / "largest"), _corpus(home / "corpus")]


def bare_ladder(clip: Path, source: Source, directory: Path) -> list[list[str]]:
    """Lay the directory out; what the transcoder runs in it, without the sandbox and the storage around it."""
    made, ffmpeg = plan(source), Path(get_ffmpeg_exe())
    (directory / commands.INPUT).symlink_to(clip.resolve())
    for rendition in made.renditions:
        (directory / commands.rendition_path(rendition)).parent.mkdir(parents=True)
    (directory / commands.HLS).mkdir()
    if commands.is_hdr(source):
        (directory / commands.COLOURS).write_text(tonemap.cube(source.color_transfer), "ascii")
    return [
        commands.encode_command(ffmpeg, source, made, threads=THREADS),
        commands.package_command(ffmpeg, made),
    ]


def measured(clip: Path, directory: Path) -> Source:
    """What the prober finds, which runs in the directory."""
    return asyncio.run(SandboxedProber(_File(clip), directory).probe("", clip.stat().st_size))


@dataclass(frozen=True)
class _File:
    """A file as the prober reads an object."""

    path: Path

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(length)


def run(directory: Path, programs: Sequence[Sequence[str | Path]]) -> Cost:
    """Run the programs in the directory, one after the other."""
    cpu, memory, began = 0.0, 0, time.monotonic()
    for command in programs:
        process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, command
        cpu += used.ru_utime + used.ru_stime
        memory = max(memory, 1024 * used.ru_maxrss)
    return Cost(cpu, time.monotonic() - began, memory)


def _each(way: Way, clip: Path, directory: Path) -> Cost:
    """One process a rung with the specification's bit rates, and one that packages it."""
    (directory / commands.HLS).mkdir(parents=True)
    made = []
    for rung in LADDER:
        path = _path(rung)
        (directory / path).parent.mkdir()
        rate = str(rung.video_bps)
        made += [
            [
                *(get_ffmpeg_exe(), *_QUIET, "-i", clip, "-vf", f"scale={':'.join(map(str, _SIZES[rung.name]))}"),
                *("-c:v", "libx264", *way.options, "-b:v", rate, "-maxrate", rate, "-bufsize", rate),
                *("-profile:v", "high", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", str(rung.audio_bps)),
                *("-movflags", "+faststart", path),
            ],
            [
                *(get_ffmpeg_exe(), *_QUIET, "-i", path, "-c", "copy", "-f", "hls", "-hls_time", "6"),
                *("-hls_playlist_type", "vod", f"{commands.HLS}/{rung.name}.m3u8"),
            ],
        ]
    return run(directory, made)


def _score(clip: Path, directory: Path, make: Callable[[Path], Cost]) -> Rungs:
    directory.mkdir()
    cost = make(directory)
    paths = {rung.name: directory / _path(rung) for rung in LADDER}
    return Rungs(
        cost,
        {name: _vmaf(clip, path, _SIZES[name]) for name, path in paths.items()},
        {name: path.stat().st_size for name, path in paths.items()},
    )


def _path(rung: Rung) -> str:
    return f"renditions/{rung.name}/video.mp4"


def _vmaf(clip: Path, made: Path, size: tuple[int, int]) -> float:
    """Of every frame, at the rung's own size, against the source scaled at once to that size: subsampling falls in step
    with B-frames and flatters some presets.
    """
    width, height = size
    graph = (
        f"[1:v]scale={width}:{height}:flags=bicubic,settb=1/30,setpts=N[source];"
        "[0:v]settb=1/30,setpts=N[made];[made][source]libvmaf=shortest=1:n_threads=2"
    )
    command = [get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-i", made, "-i", clip, "-lavfi", graph, "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(r"VMAF score: ([\d.]+)", said)
    assert found, said
    return float(found.group(1))


def _against(way: Way, ours: Rungs, theirs: Rungs) -> list[Measure]:
    """Our ladder over another way's, with the worst rung for quality and size."""
    rungs = "; ".join(
        f"{name}: VMAF {ours.vmaf[name]:.1f} and {theirs.vmaf[name]:.1f}, "
        f"{ours.size[name] // 1000} and {theirs.size[name] // 1000} kB"
        for name in _SIZES
    )
    cpu = f"{SECONDS} s of 1080p30: {ours.cost.cpu:.1f} s ours, {theirs.cost.cpu:.1f} s one process a rung and its HLS"
    wall = f"{ours.cost.wall:.1f} s ours, {theirs.cost.wall:.1f} s"
    worst = max(theirs.vmaf[name] - ours.vmaf[name] for name in _SIZES)
    largest = max(ours.size[name] / theirs.size[name] for name in _SIZES)
    return [
        Measure(f"ladder CPU / {way.name}", ours.cost.cpu / theirs.cost.cpu, "", way.limit, cpu),
        Measure(f"ladder wall / {way.name}", ours.cost.wall / theirs.cost.wall, "", None, wall),
        Measure(f"ladder VMAF below {way.name}", worst, "", 1, f"the worst rung; {rungs}"),
        Measure(f"ladder bytes / {way.name}", largest, "", 1.1, "the largest of the rungs"),
    ]


def _memory(directory: Path) -> Measure:
    """The largest process of a run on the largest source that a phone makes."""
    clip = largest_clip()
    directory.mkdir()
    cost = run(directory, bare_ladder(clip, measured(clip, directory), directory))
    how = f"resident memory of FFmpeg on {clip.name}, {THREADS} threads a coder; {cost.cpu:.0f} s of CPU"
    return Measure("ladder memory, 4K60 HEVC 10 bit", cost.memory / 1024**3, "GB", 1.5, how)


def _corpus(directory: Path) -> Measure:
    """All clips of the tests, probed and transcoded one after the other."""
    directory.mkdir()
    cpu, began, seconds = 0.0, time.monotonic(), 0.0
    for clip in CORPUS.values():
        path = directory / clip.name
        path.mkdir()
        source = measured(clip.file(), path)
        seconds += source.duration_ms / 1000
        cpu += run(path, bare_ladder(clip.file(), source, path)).cpu
    how = f"{len(CORPUS)} clips, {seconds:.0f} s of video, {cpu:.0f} s of CPU in FFmpeg"
    return Measure("ladder on the whole corpus", time.monotonic() - began, "s", None, how)
