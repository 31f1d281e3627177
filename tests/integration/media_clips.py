"""Small clips as phones and cameras make them, and eyes and ears for what became of them.

A clip's four corners are red, green, blue and white (from the top left, by rows) on moving grey, so an output's pixels
tell how it lies and whether its colours are right.
"""

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from chassis.clock import new_id
from services.media.domain.source import Source
from services.media.fakes import MemoryObjects
from services.media.ports import Outputs, Task
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg import FfmpegTranscoder

FFMPEG = Path(imageio_ffmpeg.get_ffmpeg_exe())
RED, GREEN, BLUE, WHITE = (200, 40, 40), (40, 180, 40), (40, 40, 200), (235, 235, 235)
CORNERS = (RED, GREEN, BLUE, WHITE)
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", "-pix_fmt", "yuv420p")
BT709 = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv")

Picture = NDArray[np.uint8]


def ffmpeg(*arguments: str | Path) -> None:
    """Run FFmpeg; its complaint is the test's failure."""
    done = subprocess.run(
        [FFMPEG, "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def marked(size: tuple[int, int], *, seconds: float = 1.0, rate: str = "30") -> tuple[str, ...]:
    """The input of a clip with marked corners that moves a little."""
    width, height = size
    corner = f"w={max(1, width // 4)}:h={max(1, height // 4)}:t=fill"
    boxes = ",".join(
        f"drawbox=x={x}:y={y}:{corner}:color=0x{red:02x}{green:02x}{blue:02x}"
        for (x, y), (red, green, blue) in zip(
            ((0, 0), (width - width // 4, 0), (0, height - height // 4), (width - width // 4, height - height // 4)),
            CORNERS,
            strict=True,
        )
    )
    source = f"testsrc=s={width}x{height}:r={rate}:d={seconds},hue=s=0,format=rgb24,{boxes}"
    matrix = "scale=out_color_matrix=bt709:out_range=tv"
    return ("-f", "lavfi", "-i", f"{source},{matrix},format=yuv444p")


def tone(*, seconds: float = 1.0, channels: str = "stereo", rate: int = 48_000) -> tuple[str, ...]:
    """The input of a steady sound."""
    return ("-f", "lavfi", "-i", f"sine=f=440:r={rate}:d={seconds},aformat=channel_layouts={channels},volume=4")


def make_clip(path: Path, size: tuple[int, int] = (320, 180), *, seconds: float = 1.0, rate: str = "30") -> Path:
    """A plain clip: H.264 and AAC in MP4."""
    sources = (*marked(size, seconds=seconds, rate=rate), *tone(seconds=seconds))
    ffmpeg(*sources, *H264, *BT709, "-c:a", "aac", "-shortest", path)
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


@dataclass(frozen=True)
class Video:
    """A file as a player decodes it. Times in seconds."""

    pictures: Sequence[Picture]
    times: Sequence[float]
    seconds: float
    frame_rate: float
    stream: dict[str, Any]

    @property
    def size(self) -> tuple[int, int]:
        height, width, _ = self.pictures[0].shape
        return width, height


def watch(path: Path, *, pictures_of: Sequence[int] | None = None) -> Video:
    """Decode the video as RGB, in the colours that the stream declares. A rotation left in it fails the test.

    `pictures_of` names the frames whose pictures are kept, if not all.
    """
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        pictures: list[Picture] = []
        times: list[float] = []
        for frame in container.decode(stream):
            assert frame.rotation == 0
            assert frame.time is not None
            if pictures_of is None or len(times) in pictures_of:
                pictures.append(np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8))
            times.append(frame.time)
        assert stream.duration is not None
        assert stream.time_base is not None
        facts = {
            "codec": codec.name,
            "profile": codec.profile,
            "pix_fmt": codec.pix_fmt,
            "primaries": int(codec.color_primaries),
            "transfer": int(codec.color_trc),
            "matrix": int(codec.colorspace),
            "range": int(codec.color_range),
            "streams": [stream.type for stream in container.streams],
        }
        seconds = float(stream.duration * stream.time_base)
        return Video(pictures, times, seconds, float(stream.average_rate or 0), facts)


def corners(picture: Picture) -> list[list[int]]:
    """The colours of the four corners, from the top left by rows, each averaged over the middle of its mark."""
    height, width, _ = picture.shape
    up, left = max(1, height // 8), max(1, width // 8)
    points = ((up, left), (up, width - left - 1), (height - up - 1, left), (height - up - 1, width - left - 1))
    reach_y, reach_x = height // 24, width // 24
    marks = [picture[y - reach_y : y + reach_y + 1, x - reach_x : x + reach_x + 1] for y, x in points]
    return [[int(value) for value in mark.reshape(-1, 3).mean(axis=0)] for mark in marks]


def far_apart(measured: Sequence[Sequence[int]], expected: Sequence[Sequence[int]]) -> int:
    """The largest difference of a colour channel."""
    return int(np.abs(np.array(measured, dtype=int) - np.array(expected, dtype=int)).max())


def listen(path: Path) -> tuple[NDArray[np.float32], int, int]:
    """The decoded sound: samples (mono mix, from time 0 on), sample rate and channels."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        rate, channels = stream.codec_context.sample_rate, stream.codec_context.channels
        pieces: list[NDArray[np.float32]] = []
        begin = None
        for frame in container.decode(stream):
            begin = frame.time if begin is None else begin
            pieces.append(frame.to_ndarray().mean(axis=0))
        assert begin is not None
        silence = np.zeros(max(0, round(begin * rate)), dtype=np.float32)
        return np.concatenate([silence, *pieces]), rate, channels
