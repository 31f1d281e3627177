"""What is measured of originals, and which files are refused without being decoded."""

import json
import shutil
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import pytest
from media_clips import make_clip, probe

from services.media.domain.outcomes import Fault, Rejected, check
from services.media.domain.source import Orientation, Source
from services.media.fakes import MemoryObjects
from services.media.probe import _LIMITS as probe_limits
from services.media.probe import SandboxedProber
from tests.corpus.clip import ffmpeg
from tests.corpus.scene import AAC, H264, HEVC, picture, record, sound


async def refusal(clip: Path) -> Rejected:
    with pytest.raises(Rejected) as rejected:
        check(await probe(clip))
    return rejected.value


async def test_a_plain_clip_is_measured(tmp_path: Path) -> None:
    source = await probe(make_clip(tmp_path / "clip.mp4", (320, 180), seconds=1, rate="25"))
    assert (source.container, source.video_codec, source.shown_size) == ("mp4", "h264", (320, 180))
    assert (source.duration_ms, source.frames, source.frame_rate, source.fps) == (1000, 25, Fraction(25), 25.0)
    assert (source.constant_rate, source.interlaced, source.orientation) == (True, False, Orientation.UPRIGHT)
    assert (source.pixel_format, source.color_matrix) == ("yuv420p", "bt709")
    assert source.audio
    assert (source.audio.codec, source.audio.channels, source.audio.sample_rate) == ("aac", 2, 48_000)


async def test_a_quicktime_hevc_clip_is_measured(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mov"
    record(clip, *HEVC, "-pix_fmt", "yuv420p10le", scene=picture(seconds=0.2), mute=True)
    source = await probe(clip)
    assert (source.container, source.video_codec, source.pixel_format) == ("mov", "hevc", "yuv420p10le")
    assert source.audio is None


async def test_the_edit_list_decides_about_the_duration(tmp_path: Path) -> None:
    long, cut = tmp_path / "long.mp4", tmp_path / "cut.mp4"
    still = ("-f", "lavfi", "-i", "color=s=64x64:r=30:d=32")
    ffmpeg(*still, *H264, "-g", "300", long)
    ffmpeg("-ss", "5", "-i", long, "-c", "copy", cut)
    source = await probe(cut)
    assert source.duration_ms == pytest.approx(27_000, abs=100)


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "dash+frag_every_frame+global_sidx"])
async def test_a_fragmented_clip_is_measured_by_its_fragments(flags: str, tmp_path: Path) -> None:
    clip, fragmented = make_clip(tmp_path / "clip.mp4", seconds=2), tmp_path / "fragmented.mp4"
    ffmpeg("-i", clip, "-c", "copy", "-movflags", flags, fragmented)
    source = await probe(fragmented)
    assert source.frames == 60
    # Without an edit list, the first frame lasts until the sound has caught up.
    assert source.duration_ms == pytest.approx(2000, abs=25)


async def test_the_first_picture_track_counts_and_cover_art_does_not(tmp_path: Path) -> None:
    clip, cover, both = make_clip(tmp_path / "clip.mp4"), tmp_path / "cover.png", tmp_path / "both.mp4"
    ffmpeg("-f", "lavfi", "-i", picture((600, 600)), "-frames:v", "1", cover)
    ffmpeg(
        "-i", cover, "-i", clip, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic", both
    )  # fmt: skip
    assert (await probe(both)).shown_size == (320, 180)


@pytest.mark.parametrize(
    ("encoder", "measured"),
    [("mpeg4", "mpeg4"), ("libvpx-vp9", "vp9"), ("libsvtav1", "av1"), ("mjpeg", "mjpeg")],
)
async def test_other_codecs_are_named_and_refused(encoder: str, measured: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", picture(seconds=0.2), "-c:v", encoder, "-pix_fmt", "yuv420p", clip)
    rejected = await refusal(clip)
    assert (rejected.code, rejected.measured) == ("CODEC_UNSUPPORTED", measured)


async def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    clip = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", sound(), *AAC, clip)
    assert (await refusal(clip)).code == "NO_VIDEO_TRACK"


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.ts", "clip.gif", "clip.png", "clip.m3u8"])
async def test_other_containers_are_refused_whatever_they_are_called(name: str, tmp_path: Path) -> None:
    original, renamed = tmp_path / name, tmp_path / "renamed.mp4"
    one = ("-frames:v", "1") if name.endswith("png") else ()
    codec = () if name.endswith(("gif", "png")) else H264
    ffmpeg("-f", "lavfi", "-i", picture((64, 64), seconds=0.2), *one, *codec, original)
    shutil.copy(original, renamed)
    assert (await refusal(renamed)).code == "NOT_A_VIDEO"


@pytest.mark.parametrize("content", [b"", b"\0" * 5000, b"<html><body>404</body></html>", b"#!/bin/sh\nrm -rf /\n"])
async def test_what_is_no_video_at_all_is_refused(content: bytes, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    assert (await refusal(clip)).code == "NOT_A_VIDEO"


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("faststart", [True, False])
async def test_a_clip_that_ends_early_is_corrupt(share: float, faststart: bool, tmp_path: Path) -> None:
    clip, cut = make_clip(tmp_path / "clip.mp4", (960, 540), seconds=2), tmp_path / "cut.mp4"
    if faststart:
        ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", cut)
        clip = cut
    data = clip.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    told = await refusal(cut)
    assert told.code == "CORRUPT"
    assert "Error" not in str(told), "what a library calls it is not for people"


async def test_a_frame_that_is_too_large_is_refused_without_being_decoded(tmp_path: Path) -> None:
    clip = tmp_path / "huge.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=s=4608x2592:r=1:d=1", *H264, clip)
    rejected = await refusal(clip)
    assert (rejected.code, rejected.measured) == ("TOO_LARGE_FRAME", "11943936 pixels")


@dataclass
class Counted(MemoryObjects):
    """Counts the bytes that were read."""

    read: list[int] = field(default_factory=list)

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        data = await super().get_range(key, start, length)
        self.read.append(len(data))
        return data


@pytest.mark.parametrize("faststart", [True, False])
async def test_the_probe_reads_the_tables_wherever_they_are_and_not_the_body(faststart: bool, tmp_path: Path) -> None:
    clip = tmp_path / "large.mp4"
    noise = ("-f", "lavfi", "-i", "testsrc2=s=640x360:r=30:d=1,noise=alls=80:allf=t,format=yuv420p")
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "4")
    ffmpeg(*noise, *encoder, *(("-movflags", "+faststart") if faststart else ()), clip)
    objects = Counted({"original": clip.read_bytes()})
    size = len(objects.stored["original"])
    source = await SandboxedProber(objects, tmp_path).probe("original", size)
    assert source.frames == 30
    assert sum(objects.read) < size / 4


def large_clip(path: Path, *flags: str) -> Counted:
    """A second of noise at 20 MB or more, as an object."""
    noise = ("-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=1,noise=alls=80:allf=t,format=yuv420p")
    ffmpeg(
        *noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-g", "10", "-movflags", "+".join(flags), path
    )
    return Counted({"original": path.read_bytes()})


async def test_the_probe_walks_through_fragments_without_their_samples(tmp_path: Path) -> None:
    objects = large_clip(tmp_path / "large.mp4", "frag_keyframe", "empty_moov")
    size = len(objects.stored["original"])
    source = await SandboxedProber(objects, tmp_path).probe("original", size)
    assert (source.frames, source.duration_ms) == (30, 1000)
    assert sum(objects.read) < size / 4


async def test_what_the_probe_reads_in_sequence_comes_in_large_ranges(tmp_path: Path) -> None:
    objects = large_clip(tmp_path / "large.mp4", "frag_every_frame", "empty_moov")
    size = len(objects.stored["original"])
    source = await SandboxedProber(objects, tmp_path).probe("original", size)
    assert source.frames == 30
    assert len(objects.read) < size / (1024 * 1024)


# A child that was taken over, or fell


async def probe_with(program: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """Probe with another child: untrusted bytes may have made it anything."""
    child = directory / "child.py"
    child.write_text(program)
    monkeypatch.setattr("services.media.probe._CHILD", child)
    return await SandboxedProber(MemoryObjects({"original": b"x" * 100}), directory).probe("original", 100)


@pytest.mark.parametrize(
    "program",
    ["import ctypes; ctypes.string_at(0)", "import os; os.abort()", "while True: pass"],
    ids=["reads what is not there", "gives itself up", "never ends"],
)
async def test_a_file_that_crashes_the_parsers_is_corrupt(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.media.probe._LIMITS", replace(probe_limits, cpu_seconds=1))
    with pytest.raises(Rejected) as rejected:
        await probe_with(program, tmp_path, monkeypatch)
    assert rejected.value.code == "CORRUPT"


@pytest.mark.parametrize("program", ["raise ImportError('no av')", "import os; os.kill(os.getpid(), 9)", ""])
async def test_a_probe_that_fails_without_evidence_rejects_nobody(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Fault) as fault:
        await probe_with(program, tmp_path, monkeypatch)
    assert (fault.value.code, fault.value.transient) == ("TRANSCODER_ERROR", True)


FACTS = {
    "container": "mp4", "video_index": 0, "video_codec": "h264", "stored_width": 64, "stored_height": 64,
    "pixel_aspect": "1", "interlaced": False, "pixel_format": "yuv420p", "matrix": [65536, 0, 0, 65536],
    "color_primaries": "bt709", "color_transfer": "bt709", "color_matrix": "bt709",
    "duration_ms": 1000, "start_us": 0, "frames": 30, "frame_rate": "30", "constant_rate": True, "audio": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "lie",
    [
        {"video_index": "0];movie=/etc/passwd[x"},
        {"color_matrix": "bt709,movie=/etc/passwd"},
        {"frame_rate": "-1"},
        {"frame_rate": "1/0"},
        {"matrix": []},
        {"audio": {"index": 1}},
        {"stored_width": 0},
        {"frames": -1},
        {"duration_ms": float("inf")},
    ],
    ids=str,
)
async def test_facts_that_make_no_sense_go_into_no_command(
    lie: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"print('facts', {json.dumps(FACTS)!r})"
    assert (await probe_with(program, tmp_path, monkeypatch)).frames == 30
    with pytest.raises(Rejected) as rejected:
        await probe_with(f"print('facts', {json.dumps(FACTS | lie)!r})", tmp_path, monkeypatch)
    assert rejected.value.code == "CORRUPT"


NONSENSE = (
    *("read -1 5", "read 5000 1", "read 0 0", "read 0", "read a b", "refused"),
    *("facts " + "[" * 100_000, "x" * 2**21),
)


@pytest.mark.parametrize("said", NONSENSE, ids=lambda said: said[:10])
async def test_a_child_that_talks_nonsense_is_not_listened_to(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Rejected) as rejected:
        await probe_with(f"print({said!r}, flush=True); input()", tmp_path, monkeypatch)
    assert rejected.value.code == "CORRUPT"
