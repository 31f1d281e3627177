"""What an MP4's tables may say of time: edit lists, beginnings that are not zero, fragments, names of codecs."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus import boxes
from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import HEVC, picture, record


def clips() -> Iterator[Clip]:
    cut = lambda path: _edited(path, [(0.9, 0.3)])  # noqa: E731
    yield Clip("edit-cuts-both-ends", cut, seconds=0.9, flashes=(0.1, 0.7))
    for rate, out in (("24000/1001", 23.976), ("15", 15)):
        name = f"edit-cuts-{rate.replace('/', 'd')}-fps"
        make = lambda path, rate=rate: _edited(path, [(0.9, 0.3)], "-g", "30", scene=picture(rate=rate))  # noqa: E731
        yield Clip(name, make, rate=out, seconds=0.9, flashes=(0.1, 0.7))
    parts = lambda path: _edited(path, [(0.5, 0.3), (0.5, 1.0)])  # noqa: E731
    yield Clip("edit-joins-two-parts", parts, seconds=1.0, flashes=(0.1, 0.5))
    blank = lambda path: _edited(path, [(0.7, None), (1.5, 0.0)])  # noqa: E731
    yield Clip("edit-begins-with-nothing", blank)
    yield Clip("edit-none", _without_edits)
    yield Clip("starts-late", lambda path: record(path, "-output_ts_offset", "5"))
    for name, flags in (
        ("fragmented", "frag_keyframe+empty_moov+default_base_moof"),
        ("fragmented-with-index", "dash+frag_keyframe+global_sidx"),
        ("fragmented-with-edits", "frag_keyframe+delay_moov"),
        ("fragmented-after-a-beginning", "frag_keyframe"),
    ):
        make = lambda path, flags=flags: record(path, "-g", "15", "-movflags", flags)  # noqa: E731
        yield Clip(name, make)
    single = ("-movflags", "frag_every_frame+empty_moov+default_base_moof")
    yield Clip("fragmented-every-frame", lambda path: record(path, *single, mute=True), channels=None)
    later = ("-g", "15", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-output_ts_offset", "3")
    yield Clip("fragmented-starts-late", lambda path: record(path, *later))
    for tag in ("hvc1", "hev1"):
        yield Clip(tag, lambda path, tag=tag: record(path, *HEVC, "-tag:v", tag))
    yield Clip("avc3", lambda path: record(path, "-tag:v", "avc3"))
    yield Clip("faststart", lambda path: record(path, "-movflags", "+faststart"))
    yield Clip("rough-clock", lambda path: record(path, "-video_track_timescale", "600"), suffix=".mov")
    yield Clip("last-frame-lasts", _last_frame_lasts, seconds=1.9)
    yield Clip("headers-say-less", lambda path: _told(path, 0.5))
    yield Clip("headers-say-more", lambda path: _told(path, 20))


def _edited(path: Path, edits: list[tuple[float, float | None]], *options: str, scene: str = "") -> None:
    """Record, and give both tracks the same edits."""
    record(path, "-g", "5", *options, scene=scene)
    data = path.read_bytes()
    for track in (0, 1):
        data = boxes.edit_list(data, edits, track=track)
    path.write_bytes(data)


def _without_edits(path: Path) -> None:
    """As many encoders write: the first picture comes when its B-frames let it."""
    whole = path.with_name(f"whole-{path.name}")
    record(whole, "-bf", "0")
    ffmpeg("-i", whole, "-c", "copy", "-use_editlist", "0", path)
    whole.unlink()


def _last_frame_lasts(path: Path) -> None:
    """A frame's duration counts, also the last one's."""
    record(path, "-bf", "0")
    data = boxes.steps(path.read_bytes(), (44, 1 / 30), (1, 1 / 30 + 0.4))
    path.write_bytes(boxes.edit_list(boxes.durations(data, 1.9), [(1.9, 0)]))


def _told(path: Path, seconds: float) -> None:
    """The headers say another duration than the samples have; there is no edit list."""
    _without_edits(path)
    path.write_bytes(boxes.durations(path.read_bytes(), seconds))
