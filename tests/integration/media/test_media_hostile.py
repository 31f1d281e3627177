"""Hostile files: each is refused for a reason that its owner can read, within its time, and reaches nothing outside."""

import asyncio
import functools
import random
import socket
import struct
import subprocess
import zlib
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from media_clips import make_clip, probe, transcode

from services.media.domain.outcomes import Fault, Rejected, check
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg.process import Bounds, run_ffmpeg
from tests.corpus.boxes import edit
from tests.corpus.clip import FFMPEG, ffmpeg
from tests.corpus.scene import H264

REASONS = {
    *("DURATION_TOO_LONG", "CODEC_UNSUPPORTED", "NOT_A_VIDEO", "CORRUPT", "NO_VIDEO_TRACK", "TOO_LARGE_FRAME"),
    *("TRANSCODE_TIMEOUT", "TRANSCODER_ERROR"),
}
FTYP = b"\0\0\0\x18ftypisom\0\0\2\0isommp42"
MIB = 1024**2
MOST_SECONDS = 120.0
"""More than the probe may take, on a machine that is busy with other tests too."""


async def fate(clip: Path, directory: Path) -> str:
    """READY, or the reason why not, by the worker's own tools."""
    await asyncio.to_thread(directory.mkdir, exist_ok=True)

    async def make() -> None:
        check(await probe(clip))
        await transcode(clip, directory)

    return await reason(make())


async def reason(making: Awaitable[object]) -> str:
    """How it ended, in time; whatever else is raised fails the test."""
    async with asyncio.timeout(MOST_SECONDS):
        try:
            await making
        except (Rejected, Fault) as end:
            return next(code for code in REASONS if code == end.code)
    return "READY"


@dataclass(frozen=True)
class World:
    """What a file may try to reach: a secret beside it, and somebody who listens."""

    secret: Path
    listener: socket.socket

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}/clip.mp4"

    @property
    def was_visited(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    secret = make_clip(tmp_path / "secret.mp4", (64, 64), seconds=0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield World(secret, listener)


# Files that name others

LISTS = {
    "an HLS playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{place}\n#EXT-X-ENDLIST\n",
    "an HLS playlist with a map": '#EXTM3U\n#EXT-X-MAP:URI="{place}"\n#EXTINF:1,\n{place}\n#EXT-X-ENDLIST\n',
    "an HLS master playlist": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{place}\n",
    "a concat script": "ffconcat version 1.0\nfile '{place}'\n",
    "a DASH manifest": '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{place}</BaseURL>'
    "</Representation></AdaptationSet></Period></MPD>",
    "a session description": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "a reference of QuickTime's text kind": "RTSPtext\n{place}\n",
}


@pytest.mark.parametrize("what", LISTS)
@pytest.mark.parametrize("disguised", [False, True], ids=["plain", "behind an MP4's first box"])
async def test_a_list_of_files_leads_nowhere(what: str, disguised: bool, world: World, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    places = (str(world.secret), world.secret.as_uri(), world.url)
    clip.write_text((FTYP.decode() if disguised else "") + "".join(LISTS[what].format(place=place) for place in places))
    assert await fate(clip, tmp_path / "out") == ("CORRUPT" if disguised else "NOT_A_VIDEO")
    assert not world.was_visited


def elsewhere(data: bytes, kind: bytes, place: bytes) -> bytes:
    """The clip whose samples lie in another file, at the same places; where they were, there is nothing."""
    table = struct.pack(">III4sI", 0, 1, 12 + len(place), kind, 0) + place
    for track in range(data.count(b"dref")):
        data = edit(data, [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"], lambda _: table, track=track)
    return edit(data, [b"mdat"], lambda body: bytes(len(body)))


def alias(path: Path) -> bytes:
    """A Macintosh alias record with an absolute path."""
    name = str(path).encode() + b"\0" * (len(str(path)) % 2)
    record = bytes(10) + bytes([0]) + bytes(27) + bytes(12) + bytes([0]) + bytes(63) + bytes(16) + bytes(4) + bytes(16)
    return record + struct.pack(">HH", 2, len(name)) + name + struct.pack(">HH", 0xFFFF, 0)


async def test_samples_that_lie_in_another_file_are_not_looked_for(world: World, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mov"
    secret = world.secret.rename(tmp_path / "secret.mov")
    clip.write_bytes(elsewhere(secret.read_bytes(), b"alis", alias(secret)))
    allowed = ("-enable_drefs", "1", "-use_absolute_path", "1")
    ffmpeg(*allowed, "-xerror", "-i", clip, "-f", "null", "-")  # a reader that follows it finds the frames
    assert await fate(clip, tmp_path / "out") == "CORRUPT"


async def test_samples_that_lie_at_an_address_are_not_fetched(world: World, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(elsewhere(world.secret.read_bytes(), b"url ", world.url.encode() + b"\0"))
    assert await fate(clip, tmp_path / "out") == "CORRUPT"
    assert not world.was_visited


# Bombs


async def test_a_table_of_millions_of_frames_is_not_walked_through(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", (64, 64), seconds=0.5)
    many, path = 40_000_000, [b"moov", b"trak", b"mdia", b"minf", b"stbl"]
    data = edit(clip.read_bytes(), [*path, b"stts"], lambda _: struct.pack(">IIII", 0, 1, many, 1))
    data = edit(data, [*path, b"stsz"], lambda _: struct.pack(">III", 0, 1, many))
    data = edit(data, [*path, b"stsc"], lambda _: struct.pack(">IIIII", 0, 1, 1, many, 1))
    clip.write_bytes(data)
    assert await fate(clip, tmp_path / "out") in ("CORRUPT", "DURATION_TOO_LONG")


async def test_tables_that_unpack_to_a_gigabyte_are_not_unpacked(tmp_path: Path) -> None:
    """QuickTime's movie may be compressed, and its tables of zeros are a thousandth of what they become."""
    packer = zlib.compressobj()
    begin = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    more = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">HH", 1024 * MIB % 65521, 1)
    packed = begin + 1023 * more + b"\x03\0" + checksum
    clip = tmp_path / "clip.mov"
    compressed = box(b"dcom", b"zlib"), box(b"cmvd", struct.pack(">I", 1024 * MIB) + packed)
    clip.write_bytes(FTYP + box(b"moov", box(b"cmov", *compressed)))
    assert await fate(clip, tmp_path / "out") == "CORRUPT"


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


async def test_more_frames_than_a_camera_makes_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=s=16x16:r=31000:d=1", *H264, "-video_track_timescale", "31000", clip)
    with pytest.raises(Rejected, match="31000 frames in 1000 ms; the limit is 30000 frames"):
        check(await probe(clip))


def huge_frame(path: Path, codec: str = "libx264") -> Path:
    source = ("-f", "lavfi", "-i", "color=gray:s=4608x2592:r=25:d=0.04")
    ffmpeg(*source, "-c:v", codec, "-preset", "ultrafast", "-pix_fmt", "yuv420p", path)
    return path


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
async def test_a_header_that_makes_a_huge_frame_small_is_found_out(codec: str, tmp_path: Path) -> None:
    clip = huge_frame(tmp_path / "clip.mp4", codec)
    data = clip.read_bytes()
    lying = data.replace(struct.pack(">HH", 4608, 2592), struct.pack(">HH", 320, 180))
    lying = lying.replace(struct.pack(">II", 4608 << 16, 2592 << 16), struct.pack(">II", 320 << 16, 180 << 16))
    assert lying != data
    clip.write_bytes(lying)
    assert await fate(clip, tmp_path / "out") in ("CORRUPT", "TOO_LARGE_FRAME")


async def test_frames_that_grow_huge_on_the_way_are_not_decoded(tmp_path: Path) -> None:
    small, clip = tmp_path / "small.h264", tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x180:r=25:d=1", *H264, small)
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + 10 * huge_frame(tmp_path / "huge.h264").read_bytes())
    ffmpeg("-framerate", "25", "-i", both, "-c", "copy", clip)
    check(await probe(clip))
    assert await fate(clip, tmp_path / "out") == "CORRUPT"


# Damage


@pytest.fixture(scope="module")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", (64, 48), seconds=0.4).read_bytes()


async def flipped(whole: bytes, seed: int, directory: Path) -> str:
    """The fate of a clip with some bits changed, in the tables or anywhere."""
    chance = random.Random(seed)
    data = bytearray(whole)
    begin = data.index(b"moov") - 4 if seed % 2 else 0
    for _ in range(chance.choice((1, 2, 8, 64))):
        data[chance.randrange(begin, len(data))] ^= 1 << chance.randrange(8)
    clip = directory / f"{seed}.mp4"
    clip.write_bytes(data)
    return await fate(clip, directory / f"out-{seed}")


async def every(jobs: list[Awaitable[str]]) -> list[str]:
    """Do all, two at a time."""
    slots = asyncio.Semaphore(2)

    async def one(job: Awaitable[str]) -> str:
        async with slots:
            return await job

    return await asyncio.gather(*(one(job) for job in jobs))


@pytest.mark.parametrize("seeds", [range(10), pytest.param(range(10, 410), marks=pytest.mark.long)], ids=str)
async def test_a_clip_with_flipped_bits_is_made_or_refused(seeds: range, small_clip: bytes, tmp_path: Path) -> None:
    fates = await every([flipped(small_clip, seed, tmp_path) for seed in seeds])
    assert len(set(fates)) > 1


@pytest.mark.parametrize("size", [1, 7, 8, 12, 40])
async def test_a_file_of_a_few_bytes_is_no_video(size: int, small_clip: bytes, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(small_clip[:size])
    assert await fate(clip, tmp_path / "out") in ("NOT_A_VIDEO", "CORRUPT")


async def test_an_empty_file_is_no_video(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.touch()
    assert await fate(clip, tmp_path / "out") == "NOT_A_VIDEO"


NOT_VIDEOS = {
    "a program": FFMPEG.read_bytes()[:100_000],
    "an archive": b"PK\3\4" + bytes(1000),
    "a page": b"<!DOCTYPE html><script>alert(1)</script>",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "noise": random.Random(1).randbytes(100_000),
    "nothing": bytes(100_000),
}


@pytest.mark.parametrize("what", NOT_VIDEOS)
async def test_another_file_with_a_videos_name_is_refused(what: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(NOT_VIDEOS[what])
    assert await fate(clip, tmp_path / "out") == "NOT_A_VIDEO"


# Size


@dataclass
class Sparse:
    """An original of any size: what it begins with, again and again or once, and zeros."""

    head: bytes
    size: int
    repeated: bytes = b"\0"
    read: int = 0

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        end = min(start + length, self.size)
        self.read += end - start
        unit = len(self.repeated)
        phase = (start - len(self.head)) % unit
        tail = (self.repeated * (length // unit + 2))[phase:]
        data = self.head[start:end] + tail if start < len(self.head) else tail
        return data[: end - start]


LARGEST = 157_286_400
ENORMOUS = {
    "one sample box to the end": Sparse(FTYP + struct.pack(">I4s", LARGEST - 24, b"mdat"), LARGEST),
    "a sample box of an exabyte": Sparse(FTYP + struct.pack(">I4sQ", 1, b"mdat", 1 << 60), LARGEST),
    "tables of zeros": Sparse(FTYP + struct.pack(">I4s", LARGEST - 24, b"moov"), LARGEST),
    "millions of empty boxes": Sparse(FTYP, LARGEST, struct.pack(">I4s", 8, b"free")),
    "boxes in boxes": Sparse(FTYP, LARGEST, struct.pack(">I4s", LARGEST, b"moov")),
    "a track of zeros": Sparse(FTYP + struct.pack(">I4sI4s", 1 << 27, b"moov", 1 << 26, b"trak"), LARGEST),
}


@pytest.mark.parametrize("what", ENORMOUS)
async def test_an_enormous_file_of_nothing_is_refused_in_time(what: str, tmp_path: Path) -> None:
    probing = SandboxedProber(ENORMOUS[what], tmp_path).probe("original", LARGEST)
    assert await reason(probing) in ("CORRUPT", "NO_VIDEO_TRACK", "TRANSCODE_TIMEOUT")


# Codecs

SEVERAL = (*("mpeg2video", "mpeg4", "h263", "mjpeg", "prores_ks", "libvpx-vp9", "ffv1", "rawvideo"),)


def encoders() -> list[str]:
    """All video encoders of this FFmpeg but those of H.264 and H.265."""
    told = subprocess.run([FFMPEG, "-hide_banner", "-encoders"], check=True, capture_output=True, text=True).stdout
    names = [line.split()[1] for line in told.splitlines() if line.startswith(" V") and "=" not in line]
    accepted = ("264", "265", "hevc", "kvazaar")
    return [name for name in names if not any(part in name for part in accepted)]


async def refused(encoder: str, directory: Path) -> str:
    """The fate of a clip by that encoder, in whichever of the containers takes it."""
    size = "720x576" if encoder == "dvvideo" else "352x288"
    source = ("-f", "lavfi", "-i", f"testsrc=s={size}:r=25:d=0.2,format=yuv420p")
    for clip in (directory / f"{encoder}.mov", directory / f"{encoder}.mp4"):
        command = [FFMPEG, "-v", "quiet", "-y", *source, "-c:v", encoder, "-strict", "-2", clip]
        try:
            made = await asyncio.to_thread(functools.partial(subprocess.run, command, check=False, timeout=30))
        except subprocess.TimeoutExpired:
            continue
        if made.returncode == 0 and clip.stat().st_size > 0:
            return await fate(clip, directory / f"out-{encoder}")
    return "not made"


@pytest.mark.parametrize("encoder", SEVERAL)
async def test_a_codec_that_is_not_accepted_is_not_decoded(encoder: str, tmp_path: Path) -> None:
    assert await refused(encoder, tmp_path) in ("CODEC_UNSUPPORTED", "NO_VIDEO_TRACK")


@pytest.mark.long
async def test_no_other_codec_that_fits_into_the_container_is_decoded(tmp_path: Path) -> None:
    fates = await every([refused(encoder, tmp_path) for encoder in encoders()])
    assert set(fates) == {"CODEC_UNSUPPORTED", "NO_VIDEO_TRACK", "not made"}
    assert fates.count("CODEC_UNSUPPORTED") > 40


# Files


async def test_a_converter_that_fills_the_disk_is_ended_before_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.media.transcoders.ffmpeg.process.MAX_BYTES", 8 * 1024**2)
    monkeypatch.setattr("services.media.transcoders.ffmpeg.process.LOOK_SECONDS", 0.02)
    source = ("-re", "-f", "lavfi", "-i", "testsrc=s=640x360:r=25")
    pieces = ("-c:v", "rawvideo", "-f", "segment", "-segment_time", "0.2", "-segment_format", "nut", "%03d.nut")
    with pytest.raises(Fault, match="the limit is 8388608 bytes"):
        await run_ffmpeg([str(FFMPEG), "-v", "error", *source, *pieces], tmp_path, Bounds(60.0, 60.0, 4 * 1024**3))


async def test_a_file_that_grows_without_end_is_ended_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.media.transcoders.ffmpeg.process.MAX_FILE_BYTES", 1024**2)
    raw = ("-f", "lavfi", "-i", "testsrc=s=640x360:r=25", "-c:v", "rawvideo", "-f", "nut", "out.nut")
    with pytest.raises(Fault, match="grew above 1048576 bytes") as fault:
        await run_ffmpeg([str(FFMPEG), "-v", "error", *raw], tmp_path, Bounds(60.0, 60.0, 4 * 1024**3))
    assert (fault.value.code, fault.value.transient) == ("TRANSCODER_ERROR", False)


async def test_a_link_that_a_converter_leaves_is_not_followed(world: World, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "video.mp4").symlink_to(world.secret)
    with pytest.raises(Fault, match="left what it should not"):
        await run_ffmpeg([str(FFMPEG), "-version"], inside, Bounds(60.0, 60.0, 4 * 1024**3))


# The worker


async def test_after_all_of_it_a_good_clip_is_made(small_clip: bytes, tmp_path: Path) -> None:
    """Nothing of one file is left for the next: each has a child of its own."""
    clip = tmp_path / "clip.mp4"
    for data in (*NOT_VIDEOS.values(), small_clip[:500]):
        clip.write_bytes(data)
        assert await fate(clip, tmp_path / "out") != "READY"
    clip.write_bytes(small_clip)
    assert await fate(clip, tmp_path / "out") == "READY"
