"""The client's look at a file's head, held against what media measures of the same file."""

import asyncio
import random
from pathlib import Path

import pytest
from media_clips import probe

from nextplay_client import PreflightRefused, examine
from services.media.domain.outcomes import MAX_DURATION_MS, MAX_FRAME_PIXELS, Rejected, check
from services.media.probe_child import measure
from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.everything import CORPUS
from tests.corpus.scene import AAC, H264, picture, sound

BLACK = ("-f", "lavfi", "-i", "color=s=64x64:r=30:d=45")
LAYOUTS = {
    "plain": (),
    "tables first": ("-movflags", "+faststart"),
    "fragmented": ("-g", "30", "-movflags", "frag_keyframe+empty_moov+default_base_moof"),
    "fragmented with an index": ("-g", "30", "-movflags", "dash+frag_keyframe+global_sidx"),
    "quicktime": ("-f", "mov"),
}
CODECS = {"libvpx-vp9": "VP9", "libsvtav1": "AV1", "mpeg4": "MPEG-4 Part 2", "mjpeg": "Motion JPEG"}
SLACK_MS = 260
MOST_FLIPPED = 6


def record(path: Path, frames: int, *options: str) -> Path:
    """Frames of nothing, thirty a second."""
    ffmpeg(*BLACK, "-frames:v", str(frames), *H264, *options, path)
    return path


def measured_ms(clip: Path) -> int:
    """The duration as media measures it; of a file that is ours, so without the sandbox."""
    with clip.open("rb") as file:
        facts = measure(file, clip.stat().st_size, MAX_FRAME_PIXELS, MAX_FRAME_PIXELS)  # type: ignore[arg-type]
    return int(facts["duration_ms"])


async def is_rejected(clip: Path) -> bool:
    try:
        check(await probe(clip))
    except Rejected:
        return True
    return False


def is_refused(clip: Path) -> bool:
    try:
        examine(clip)
    except PreflightRefused:
        return True
    return False


def refusal(clip: Path) -> PreflightRefused:
    with pytest.raises(PreflightRefused) as refused:
        examine(clip)
    return refused.value


@pytest.mark.parametrize("clip", CORPUS.values(), ids=str)
def test_no_clip_that_the_platform_takes_is_refused_and_its_duration_is_the_platforms(clip: Clip) -> None:
    told, measured = examine(clip.file()), measured_ms(clip.file())
    assert measured <= MAX_DURATION_MS
    assert told.duration_ms is None or abs(told.duration_ms - measured) <= SLACK_MS
    assert told.codec in ("H.264", "H.265")


def test_most_clips_tell_their_duration_to_the_millisecond() -> None:
    files = [clip.file() for clip in CORPUS.values()]
    exact = sum(examine(file).duration_ms == measured_ms(file) for file in files)
    assert exact / len(files) > 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thirty_seconds_pass_and_what_is_longer_is_refused(layout: str, tmp_path: Path) -> None:
    slack = 8 if "fragmented" in layout else 0
    assert examine(record(tmp_path / "clip.mp4", 900, *LAYOUTS[layout])).duration_ms == MAX_DURATION_MS
    refused = refusal(record(tmp_path / "clip.mp4", 901 + slack, *LAYOUTS[layout]))
    assert (refused.code, refused.limit) == ("DURATION_TOO_LONG", "at most 30 s")
    assert refused.measured == ("30.3 s" if slack else "30.033 s")


def test_what_an_edit_shows_of_a_longer_recording_passes(tmp_path: Path) -> None:
    long, cut = record(tmp_path / "long.mp4", 1000, "-g", "300"), tmp_path / "cut.mp4"
    ffmpeg("-ss", "5", "-i", long, "-c", "copy", cut)
    assert abs((examine(cut).duration_ms or 0) - measured_ms(cut)) <= 1


@pytest.mark.parametrize("encoder", CODECS)
def test_a_codec_that_is_not_taken_is_named(encoder: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg("-f", "lavfi", "-i", picture(seconds=0.2), "-c:v", encoder, "-pix_fmt", "yuv420p", clip)
    refused = refusal(clip)
    assert (refused.code, refused.measured) == ("CODEC_UNSUPPORTED", CODECS[encoder])
    assert refused.limit == "needs H.264 or H.265"


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", sound(seconds=1), *AAC, tmp_path / "sound.mp4")
    assert refusal(tmp_path / "sound.mp4").code == "NO_VIDEO_TRACK"


def test_another_container_is_named_and_refused(tmp_path: Path) -> None:
    ffmpeg(*BLACK, "-frames:v", "30", "-c:v", "libvpx-vp9", tmp_path / "clip.webm")
    refused = refusal((tmp_path / "clip.webm").rename(tmp_path / "clip.mp4"))
    assert (refused.code, refused.measured) == ("NOT_A_VIDEO", "WebM or Matroska")


async def test_a_recording_that_was_not_finished_is_refused_as_the_platform_does(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.mp4", 30)
    data = clip.read_bytes()
    clip.write_bytes(data[: data.index(b"moov") - 4])
    assert refusal(clip).code == "CORRUPT"
    assert await is_rejected(clip)


@pytest.mark.parametrize(
    "seeds", [range(8), pytest.param(range(8, 250), marks=pytest.mark.long)], ids=["a few", "many"]
)
@pytest.mark.parametrize("layout", ["plain", "fragmented"])
async def test_a_spoiled_file_is_refused_only_where_the_platform_refuses_it_too(
    layout: str, seeds: range, tmp_path: Path
) -> None:
    clip = record(tmp_path / "clip.mp4", 912, *LAYOUTS[layout])
    data, spoiled = clip.read_bytes(), tmp_path / "spoiled.mp4"
    tables = [at for at in range(len(data)) if not data.index(b"mdat") < at < data.index(b"mdat") + 1000]
    for seed in seeds:
        chance = random.Random(seed)
        changed = bytearray(data)
        for at in chance.choices(tables, k=chance.randint(1, MOST_FLIPPED)):
            changed[at] = chance.randrange(256)
        await asyncio.to_thread(spoiled.write_bytes, changed)
        if is_refused(spoiled):
            assert await is_rejected(spoiled), f"seed {seed}"
