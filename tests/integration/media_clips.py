"""Clips taken through media's real tools: what they measure, and the files that they make."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chassis.clock import new_id
from services.media.domain.source import Source
from services.media.fakes import MemoryObjects
from services.media.ports import Outputs, Task
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from tests.corpus.clip import FFMPEG
from tests.corpus.scene import picture, record, sound


def make_clip(path: Path, size: tuple[int, int] = (320, 180), *, seconds: float = 1.0, rate: str = "30") -> Path:
    """The corpus' scene without flashes, as a plain clip: H.264 and AAC."""
    record(path, scene=picture(size, seconds=seconds, rate=rate, flashes=()), sounds=sound(seconds=seconds))
    return path


@dataclass(frozen=True)
class Transcoded:
    """What came out of a transcode: the files below `directory`, named as below a run's prefix."""

    directory: Path
    source: Source
    outputs: Outputs
    stages: Sequence[str]

    @property
    def kinds(self) -> list[str]:
        return [asset.kind for asset in self.outputs.assets]

    def file(self, kind: str) -> Path:
        (asset,) = (asset for asset in self.outputs.assets if asset.kind == kind)
        return self.directory / asset.s3_key.removeprefix("run/")

    @property
    def top(self) -> Path:
        return self.file("MP4_720")


async def probe(clip: Path) -> Source:
    objects = MemoryObjects({"original": await asyncio.to_thread(clip.read_bytes)})
    return await SandboxedProber(objects, clip.parent).probe("original", len(objects.stored["original"]))


async def transcode(clip: Path, directory: Path, *, stall_seconds: float = 30.0) -> Transcoded:
    """Probe and transcode with the real tools; the outputs as files in `directory`."""
    objects = MemoryObjects({"original": await asyncio.to_thread(clip.read_bytes)})
    source = await SandboxedProber(objects, directory).probe("original", len(objects.stored["original"]))
    stages: list[str] = []
    transcoder = FfmpegTranscoder(
        FFMPEG, objects, directory, threads=2, memory_bytes=4 * 1024**3, stall_seconds=stall_seconds
    )
    task = Task(new_id(), "original", "run/", source)
    outputs = await transcoder.transcode(task, lambda stage, fraction: stages.append(stage))
    for key, data in objects.stored.items():
        if key.startswith("run/"):
            path = directory / key.removeprefix("run/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return Transcoded(directory, source, outputs, stages)
