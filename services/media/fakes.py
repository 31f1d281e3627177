"""Stand-ins for what media needs from the outside: objects in memory, a prober and a transcoder that don't look.

They keep the promises of ports.py; tests/integration/media/test_media_ports.py asks the same of them and of the real
ones.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from google.protobuf.message import Message

from chassis.object_store import ObjectNotFound
from services.media.domain.outcomes import Fault, Rejected
from services.media.domain.source import Audio, Orientation, Source
from services.media.ports import Asset, Objects, Outputs, Report, Task
from services.media.storage import storage_faults

A_SOURCE = Source(
    container="mp4",
    size_bytes=1_000_000,
    video_index=0,
    video_codec="h264",
    stored_width=1920,
    stored_height=1080,
    pixel_aspect=Fraction(1),
    orientation=Orientation.UPRIGHT,
    duration_ms=10_000,
    start_us=0,
    frames=300,
    frame_rate=Fraction(30),
    constant_rate=True,
    interlaced=False,
    pixel_format="yuv420p",
    color_primaries="bt709",
    color_transfer="bt709",
    color_matrix="bt709",
    audio=Audio(index=1, codec="aac", channels=2, sample_rate=48_000, start_us=0),
)
"""Ten seconds of 1080p30, as most phones make them."""


@dataclass
class MemoryObjects:
    """An object store in memory."""

    stored: dict[str, bytes] = field(default_factory=dict)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._get(key)[start : start + length]

    async def download(self, key: str, path: Path) -> None:
        await asyncio.to_thread(path.write_bytes, self._get(key))

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = "") -> None:
        self.stored[key] = await asyncio.to_thread(path.read_bytes)

    async def delete_prefix(self, prefix: str) -> int:
        below = [key for key in self.stored if key.startswith(prefix)]
        for key in below:
            del self.stored[key]
        return len(below)

    def _get(self, key: str) -> bytes:
        if key not in self.stored:
            raise ObjectNotFound(f"there is no object {key}")
        return self.stored[key]


@dataclass
class FakeProber:
    """Says of every original that is stored what it was given: a source, or how probing ends."""

    objects: Objects
    finding: Source | Rejected | Fault = A_SOURCE

    async def probe(self, key: str, size_bytes: int) -> Source:
        with storage_faults():
            await self.objects.get_range(key, 0, 1)
        if isinstance(self.finding, Source):
            return self.finding
        raise self.finding


@dataclass
class FakeTranscoder:
    """Stores a few bytes in place of each output; or ends as it was told, with half of them stored."""

    objects: Objects
    ending: Rejected | Fault | None = None

    async def transcode(self, task: Task, report: Report) -> Outputs:
        with storage_faults():
            await self.objects.get_range(task.input_s3_key, 0, 1)
        report("download", 0.5)
        async with task.turn:
            report("encode", 0.5)
        for stage in ("package", "store"):
            report(stage, 0.5)
        assets = tuple(
            Asset(kind, f"{task.output_s3_prefix}{path}", content_type, 8, (1280, 720))
            for kind, path, content_type in (
                ("MP4_720", "renditions/720p/video.mp4", "video/mp4"),
                ("HLS", "renditions/hls/master.m3u8", "application/vnd.apple.mpegurl"),
                ("THUMB", "thumbnail.jpg", "image/jpeg"),
                ("PREVIEW", "preview.mp4", "video/mp4"),
            )
        )
        with tempfile.NamedTemporaryFile() as file, storage_faults():
            file.write(b"fake out")
            file.flush()
            for asset in assets[: 2 if self.ending else None]:
                await self.objects.put_file(asset.s3_key, Path(file.name), content_type=asset.content_type)
        if self.ending:
            raise self.ending
        return Outputs(assets, encode_ms=1, encoder="fake")


@dataclass
class RecordedSignals:
    """Keeps the signals that were sent."""

    sent: list[Message] = field(default_factory=list)

    async def __call__(self, signal: Message) -> None:
        self.sent.append(signal)
