"""The commands that FFmpeg is given."""

import itertools
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from services.media.domain.source import Orientation, Source
from services.media.fakes import A_SOURCE
from services.media.ladder import BUFFER_FILL, plan
from services.media.transcoders.ffmpeg import encode_seconds
from services.media.transcoders.ffmpeg.commands import encode_command, filter_graphs, package_command

FFMPEG = Path("ffmpeg")


def graph(source: Source) -> str:
    return ";".join(filter_graphs(source, plan(source)))


def option(command: list[str], name: str) -> list[str]:
    return [value for key, value in itertools.pairwise(command) if key == name]


def test_the_source_is_decoded_once_and_the_rungs_are_scaled_in_a_cascade() -> None:
    chains = graph(A_SOURCE)
    assert chains.count("[0:0]") == 1
    assert chains.index("scale=1280:720") < chains.index("scale=854:480") < chains.index("scale=426:240")


def test_a_turned_picture_is_turned_when_it_is_small() -> None:
    chains = graph(replace(A_SOURCE, orientation=Orientation.TURNED_90))
    assert chains.index("scale=1280:720") < chains.index("transpose=clock")
    assert "scale=480:854" in chains


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_only_hdr_is_tone_mapped(transfer: str) -> None:
    hdr = replace(A_SOURCE, color_transfer=transfer, color_primaries="bt2020", color_matrix="bt2020nc")
    assert "lut3d" in graph(hdr)
    assert "lut3d" not in graph(A_SOURCE)


@pytest.mark.parametrize(
    ("size", "matrix"),
    [((640, 480), "smpte170m"), ((720, 576), "smpte170m"), ((1280, 544), "bt709"), ((1080, 1920), "bt709")],
)
def test_a_picture_that_says_nothing_of_its_colours_is_guessed_by_its_size(size: tuple[int, int], matrix: str) -> None:
    silent = dict.fromkeys(("color_primaries", "color_transfer", "color_matrix"), "unknown")
    source = replace(A_SOURCE, stored_width=size[0], stored_height=size[1], **silent)  # type: ignore[arg-type]
    assert f"colorspace={matrix}," in graph(source)


def test_untrusted_input_is_read_as_one_container_from_a_file_with_known_codecs() -> None:
    command = encode_command(FFMPEG, A_SOURCE, plan(A_SOURCE), threads=2)
    before_input = command[: command.index("-i")]
    assert option(before_input, "-f") == ["mov"]
    assert option(before_input, "-protocol_whitelist") == ["file"]
    assert "vp9" not in option(before_input, "-codec_whitelist")[0]


@pytest.mark.parametrize(("interlaced", "kept"), [(False, ["0"]), (True, [])])
def test_filters_go_on_when_frames_change_but_where_the_deinterlacer_cannot(interlaced: bool, kept: list[str]) -> None:
    source = replace(A_SOURCE, interlaced=interlaced)
    command = encode_command(FFMPEG, source, plan(source), threads=2)
    assert option(command[: command.index("-i")], "-reinit_filter:v") == kept


def test_what_changes_in_one_track_begins_nothing_anew_in_the_other() -> None:
    command = encode_command(FFMPEG, A_SOURCE, plan(A_SOURCE), threads=2)
    graphs = option(command, "-filter_complex")
    assert ["[0:0]" in one for one in graphs] == [True, False]
    assert ["[0:1]" in one for one in graphs] == [False, True]


def test_a_short_clip_may_not_spend_its_buffer_above_the_average() -> None:
    def highest_rate(seconds: float) -> int:
        source = replace(A_SOURCE, duration_ms=round(1000 * seconds))
        return int(option(encode_command(FFMPEG, source, plan(source), threads=2), "-maxrate")[0])

    for seconds in (0.5, 1, 10, 30):
        # What the rate brings, and what the buffer held before.
        assert highest_rate(seconds) * (seconds + BUFFER_FILL) <= 2_500_000 * seconds + 2


@pytest.mark.parametrize(("channels", "held"), [(0, True), (1, False), (2, False), (3, True), (8, True)])
def test_sound_that_may_be_of_many_channels_is_held_below_full_scale(channels: int, held: bool) -> None:
    """0: the file tells none, only the stream does."""
    assert A_SOURCE.audio
    assert ("alimiter" in graph(replace(A_SOURCE, audio=replace(A_SOURCE.audio, channels=channels)))) == held


def test_a_clip_without_sound_asks_for_none() -> None:
    silent = replace(A_SOURCE, audio=None)
    assert "-c:a" not in encode_command(FFMPEG, silent, plan(silent), threads=2)


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "30", "50", "60"])
def test_the_preview_is_cut_between_its_last_frame_and_the_next_keyframe(rate: str) -> None:
    frame = 1 / Fraction(rate)
    made = plan(replace(A_SOURCE, frame_rate=Fraction(rate)))
    (end,) = option(package_command(FFMPEG, made), "-t")
    keyframe = next(n * frame for n in range(1000) if n * frame >= 3)
    decoded_at = keyframe - 2 * frame
    assert decoded_at - frame < Fraction(end) < decoded_at


def test_an_encode_may_take_as_long_as_its_pixels_explain_and_never_more_than_a_quarter_of_an_hour() -> None:
    second = replace(A_SOURCE, duration_ms=1000, stored_width=1000, stored_height=1000, frames=30)
    assert encode_seconds(second, 30) == 60 + 3
    assert encode_seconds(replace(second, frames=10_000_000), 30) == 900
