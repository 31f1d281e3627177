"""What a worker makes of the objects that MediaConvert left, whatever they say and whoever else is at it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import m3u8
import pytest
from media_clips import make_clip

from chassis.clock import new_id
from services.media import ladder
from services.media.domain.outcomes import Fault
from services.media.fakes import MemoryObjects
from services.media.ports import Asset, Task
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from services.media.transcoders.mediaconvert.collect import collect
from services.media.workspace import scratch_directory
from tests.corpus.clip import FFMPEG
from tests.mediaconvert_stand_in import hls_variant

MEMORY_BYTES = 2 * 1024**3
PREFIX = "videos/a/b/run/"
PLAYLIST = f"{PREFIX}renditions/hls/master_720p.m3u8"


@dataclass(frozen=True)
class Left:
    """A run's task, and the objects that MediaConvert left for it."""

    task: Task
    objects: Mapping[str, bytes]

    async def collect(self, objects: MemoryObjects, workspace: Path) -> tuple[Asset, ...]:
        plan = ladder.plan(self.task.source)
        with scratch_directory(workspace) as directory:
            made = await collect(
                objects, FFMPEG, MEMORY_BYTES, self.task, plan, directory, lambda stage, fraction: None
            )
            return made.assets(PREFIX)


@pytest.fixture(scope="module")
async def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """Of a clip of one rung, one whole segment and a rest."""
    directory = tmp_path_factory.mktemp("left")
    clip = make_clip(directory / "clip.mp4", (64, 36), seconds=6.5)
    memory = MemoryObjects({"original": clip.read_bytes()})
    source = await SandboxedProber(memory, directory).probe("original", clip.stat().st_size)
    task = Task(new_id(), "original", PREFIX, source)
    ffmpeg = FfmpegTranscoder(FFMPEG, memory, directory, threads=1, memory_bytes=MEMORY_BYTES)
    await ffmpeg.transcode(replace(task, output_s3_prefix=""), lambda stage, fraction: None)
    rendition = "renditions/720p/video.mp4"
    files = {
        rendition: memory.stored[rendition],
        **hls_variant(memory.stored, "720p", "renditions/hls/master_720p"),
        "captures/frame.0000000.jpg": b"the frame at 0 s",
        "captures/frame.0000001.jpg": b"the frame at 1 s",
    }
    return Left(task, {PREFIX + path: data for path, data in files.items()})


def changed(left: Left, old: str, new: str) -> MemoryObjects:
    """What was left, with something of the media playlist changed."""
    assert old in left.objects[PLAYLIST].decode()
    return MemoryObjects(dict(left.objects) | {PLAYLIST: left.objects[PLAYLIST].decode().replace(old, new, 1).encode()})


async def test_nothing_of_a_converters_playlist_reaches_players_but_its_segments(left: Left, tmp_path: Path) -> None:
    planted = (
        '#EXT-X-KEY:METHOD=AES-128,URI="https://elsewhere/key"\n'
        '#EXT-X-MAP:URI="https://elsewhere/map"\n#EXT-X-ALLOW-CACHE:NO\n# elsewhere\n#EXTINF'
    )
    objects = changed(left, "#EXTINF", planted)
    await left.collect(objects, tmp_path)
    written = objects.stored[PLAYLIST].decode()
    assert [line.partition(":")[0] for line in written.splitlines() if line.startswith("#")] == [
        *("#EXTM3U", "#EXT-X-VERSION", "#EXT-X-TARGETDURATION", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PLAYLIST-TYPE"),
        *("#EXT-X-INDEPENDENT-SEGMENTS", "#EXTINF", "#EXTINF", "#EXT-X-ENDLIST"),
    ]
    segments = m3u8.loads(written).segments
    assert [(segment.uri, segment.duration) for segment in segments] == [
        ("master_720p_00001.ts", 6.0),
        ("master_720p_00002.ts", 0.5),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("master_720p_00001.ts", "https://elsewhere/master_720p_00001.ts"),
        ("master_720p_00001.ts", "../../../other/master_720p_00001.ts"),
        ("master_720p_00001.ts", "master_720p_00002.ts"),
        ("#EXTINF:6.000000", "#EXTINF:3.000000"),
        ("#EXTINF:6.000000", "#EXTINF:12.000000"),
        ("#EXTINF:0.500000", "#EXTINF:60.000000"),
        ("#EXTINF", "#NOTHING"),
    ],
)
async def test_segments_that_were_not_asked_for_are_a_transient_fault(
    left: Left, tmp_path: Path, old: str, new: str
) -> None:
    with pytest.raises(Fault) as fault:
        await left.collect(changed(left, old, new), tmp_path)
    assert (fault.value.code, fault.value.transient) == ("TRANSCODER_ERROR", True)


@dataclass
class Overtaken(MemoryObjects):
    """Objects at which somebody else does `meanwhile` before the call of that number."""

    before_call: int = 0
    meanwhile: Callable[[], Awaitable[object]] | None = None
    calls: int = 0

    async def download(self, key: str, path: Path) -> None:
        await self._call()
        await super().download(key, path)

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = "") -> None:
        await self._call()
        await super().put_file(key, path, content_type=content_type)

    async def delete_prefix(self, prefix: str) -> int:
        await self._call()
        return await super().delete_prefix(prefix)

    async def _call(self) -> None:
        number, self.calls = self.calls, self.calls + 1
        if number == self.before_call and self.meanwhile:
            await self.meanwhile()


@pytest.mark.parametrize("captures", [2, 1], ids=["both frames", "a clip that ends before the second frame"])
async def test_a_worker_that_lost_its_lease_takes_nothing_from_its_successor(
    left: Left, tmp_path: Path, captures: int
) -> None:
    there = {key: data for key, data in left.objects.items() if captures == 2 or "0000001.jpg" not in key}
    alone = Overtaken(dict(there))
    made = await left.collect(alone, tmp_path)
    assert alone.stored[f"{PREFIX}thumbnail.jpg"] == f"the frame at {captures - 1} s".encode()
    for number in range(alone.calls):
        stored = dict(there)

        async def loser(stored: dict[str, bytes] = stored) -> None:
            assert await left.collect(MemoryObjects(stored), tmp_path) == made

        successor = Overtaken(stored, before_call=number, meanwhile=loser)
        assert await left.collect(successor, tmp_path) == made, f"overtaken before call {number}"
        assert successor.stored == alone.stored
