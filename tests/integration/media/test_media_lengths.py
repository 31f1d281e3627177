"""Thirty seconds pass and a frame more does not, whatever a header says."""

import struct
from fractions import Fraction
from pathlib import Path

import pytest
from media_clips import probe, transcode

from services.media.domain.outcomes import Rejected, check
from tests.corpus import boxes
from tests.corpus.clip import ffmpeg
from tests.corpus.scene import AAC, H264, sound
from tests.corpus.seeing import watch

STILL = ("-f", "lavfi", "-i")
FRAGMENTED = {
    "all of it": "frag_keyframe+empty_moov+default_base_moof",
    "after a beginning": "frag_keyframe",
    "after a beginning, with an index": "frag_keyframe+default_base_moof+global_sidx",
}


def record(path: Path, frames: int, rate: str = "30", *options: str) -> Path:
    """Frames of nothing, exactly so many."""
    ffmpeg(*STILL, f"color=s=64x64:r={rate}:d=45", "-frames:v", str(frames), *H264, *options, path)
    return path


async def verdict(clip: Path) -> str:
    """Why the clip is rejected, or that it is not."""
    try:
        check(await probe(clip))
    except Rejected as rejected:
        return rejected.code
    return "accepted"


@pytest.mark.parametrize(
    ("rate", "frames"),
    [("30", 900), ("25", 750), ("24000/1001", 719), ("30000/1001", 899), ("60", 1800), ("120", 3600), ("240", 7200)],
)
async def test_thirty_seconds_pass_and_a_frame_more_does_not(rate: str, frames: int, tmp_path: Path) -> None:
    exact = frames / Fraction(rate)
    assert exact <= 30 < (frames + 1) / Fraction(rate)
    source = await probe(record(tmp_path / "clip.mp4", frames, rate))
    assert source.duration_ms == round(1000 * exact)
    check(source)
    assert await verdict(record(tmp_path / "clip.mp4", frames + 1, rate)) == "DURATION_TOO_LONG"


@pytest.mark.parametrize("what", FRAGMENTED)
async def test_a_fragmented_clip_is_judged_by_its_fragments(what: str, tmp_path: Path) -> None:
    options = ("-g", "30", "-movflags", FRAGMENTED[what])
    assert await verdict(record(tmp_path / "clip.mp4", 900, "30", *options)) == "accepted"
    assert await verdict(record(tmp_path / "clip.mp4", 901, "30", *options)) == "DURATION_TOO_LONG"


async def test_a_table_that_times_only_some_of_the_frames_is_not_believed(tmp_path: Path) -> None:
    clip = _without_edits(tmp_path, 1000)
    clip.write_bytes(boxes.steps(clip.read_bytes(), (10, 1 / 30)))
    assert await verdict(clip) == "DURATION_TOO_LONG"


@pytest.mark.parametrize("told", [0.5, 10, 29, 60_000])
async def test_a_header_is_not_believed(told: float, tmp_path: Path) -> None:
    clip = _without_edits(tmp_path, 1000)
    clip.write_bytes(boxes.durations(clip.read_bytes(), told))
    assert await verdict(clip) == "DURATION_TOO_LONG"
    clip = _without_edits(tmp_path, 300)
    clip.write_bytes(boxes.durations(clip.read_bytes(), told))
    assert (await probe(clip)).duration_ms == 10_000


async def test_a_header_that_hides_one_frame_is_not_believed(tmp_path: Path) -> None:
    clip = _without_edits(tmp_path, 901)
    clip.write_bytes(boxes.durations(clip.read_bytes(), 30))
    assert await verdict(clip) == "DURATION_TOO_LONG"


async def test_an_edit_that_promises_what_is_not_there_is_not_believed(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.mp4", 300)
    clip.write_bytes(boxes.edit_list(clip.read_bytes(), [(40, 0)]))
    assert (await probe(clip)).duration_ms == 10_000


async def test_what_an_edit_shows_of_a_longer_recording_counts_and_comes_out(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.mp4", 1100)
    clip.write_bytes(boxes.edit_list(clip.read_bytes(), [(30, 2)]))
    made = await transcode(clip, tmp_path)
    assert made.source.duration_ms == 30_000
    assert len(watch(made.top).frames) == 900


async def test_frames_of_another_size_on_the_way_make_a_clip_no_longer(tmp_path: Path) -> None:
    parts = []
    for size in ("64x64", "96x96"):
        parts.append(tmp_path / f"{size}.h264")
        ffmpeg(*STILL, f"color=s={size}:r=30:d=15", *H264, "-bf", "0", parts[-1])
    both, clip = tmp_path / "both.h264", tmp_path / "clip.mp4"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    ffmpeg("-framerate", "30", "-i", both, "-c", "copy", clip)
    made = await transcode(clip, tmp_path)
    assert len(watch(made.top).frames) == 900


async def test_a_last_frame_that_is_shown_for_long_counts(tmp_path: Path) -> None:
    clip = _without_edits(tmp_path, 300)
    data = boxes.steps(clip.read_bytes(), (299, 1 / 30), (1, 20.1))
    clip.write_bytes(boxes.durations(data, 5))
    assert await verdict(clip) == "DURATION_TOO_LONG"


async def test_a_last_slide_counts_as_long_as_it_is_shown(tmp_path: Path) -> None:
    clip = record(tmp_path / "clip.mp4", 4, "30", "-bf", "0")
    data = boxes.durations(boxes.steps(clip.read_bytes(), (3, 9), (1, 0.1)), 27.1)
    clip.write_bytes(boxes.edit_list(data, [(27.1, 0)]))
    assert (await probe(clip)).duration_ms == 27_100


async def test_sound_that_is_longer_rejects_nothing(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg(*STILL, "color=s=64x64:r=30:d=30", *STILL, sound(seconds=33), *H264, *AAC, clip)
    source = await probe(clip)
    check(source)
    assert source.duration_ms == 30_000


@pytest.mark.parametrize("missing", [0.3, 0.9])
async def test_a_clip_that_holds_fewer_pictures_than_its_tables_list_is_damaged(missing: float, tmp_path: Path) -> None:
    """The samples of the end are there, but are no pictures."""
    clip = record(tmp_path / "clip.mp4", 90, "30", "-bf", "0", "-g", "1")
    data = bytearray(clip.read_bytes())
    sizes = next(body for kind, body in boxes.within(bytes(data)) if kind == b"stsz")
    lengths = struct.unpack_from(">90I", sizes, 12)
    kept = sum(lengths[: round(90 * (1 - missing))])
    start = data.index(b"mdat") + 4
    data[start + kept : start + sum(lengths)] = bytes(sum(lengths) - kept)
    clip.write_bytes(data)
    with pytest.raises(Rejected) as rejected:
        await transcode(clip, tmp_path)
    assert rejected.value.code == "CORRUPT"


def _without_edits(directory: Path, frames: int) -> Path:
    return record(directory / "clip.mp4", frames, "30", "-bf", "0", "-use_editlist", "0")
