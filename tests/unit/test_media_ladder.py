"""Which renditions a source gets."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.domain.source import Orientation, Source
from services.media.fakes import A_SOURCE
from services.media.ladder import KEYFRAME_SECONDS, LADDER, PREVIEW_SECONDS, SEGMENT_SECONDS, frame_rate, plan


def of_size(width: int, height: int) -> Source:
    return replace(A_SOURCE, stored_width=width, stored_height=height)


def sizes(source: Source) -> dict[str, tuple[int, int]]:
    return {rendition.rung.kind: rendition.size for rendition in plan(source).renditions}


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, {"MP4_720": (1280, 720), "MP4_480": (854, 480), "MP4_240": (426, 240)}),
        (1080, 1920, {"MP4_720": (720, 1280), "MP4_480": (480, 854), "MP4_240": (240, 426)}),
        (3840, 2160, {"MP4_720": (1280, 720), "MP4_480": (854, 480), "MP4_240": (426, 240)}),
        (1080, 1080, {"MP4_720": (720, 720), "MP4_480": (480, 480), "MP4_240": (240, 240)}),
        (1280, 720, {"MP4_720": (1280, 720), "MP4_480": (854, 480), "MP4_240": (426, 240)}),
        (960, 540, {"MP4_720": (960, 540), "MP4_480": (854, 480), "MP4_240": (426, 240)}),
        (852, 480, {"MP4_720": (852, 480), "MP4_240": (426, 240)}),
        (853, 481, {"MP4_720": (852, 480), "MP4_240": (426, 240)}),
        (426, 240, {"MP4_720": (426, 240)}),
        (320, 180, {"MP4_720": (320, 180)}),
        (1, 1, {"MP4_720": (2, 2)}),
    ],
)
def test_a_source_gets_the_rungs_that_do_not_repeat_it(
    width: int, height: int, expected: dict[str, tuple[int, int]]
) -> None:
    assert sizes(of_size(width, height)) == expected


@given(st.integers(2, 4096), st.integers(2, 4096))
def test_every_size_is_even_falls_and_is_never_above_the_source(width: int, height: int) -> None:
    renditions = plan(of_size(width, height)).renditions
    assert renditions[0].rung is LADDER[0]
    short_edges = [min(rendition.size) for rendition in renditions]
    assert short_edges == sorted(set(short_edges), reverse=True)
    for rendition in renditions:
        assert all(edge % 2 == 0 and edge >= 2 for edge in rendition.size)
        assert min(rendition.size) <= rendition.rung.short_edge
        assert rendition.size[0] <= width
        assert rendition.size[1] <= height


@given(st.integers(240, 4096), st.integers(240, 4096))
def test_the_shape_is_kept_to_a_pixel_or_two(width: int, height: int) -> None:
    for rendition in plan(of_size(width, height)).renditions:
        assert abs(rendition.size[0] - rendition.size[1] * width / height) <= 1 + 2 * max(1, width / height)


@pytest.mark.parametrize("orientation", [case for case in Orientation if case.swaps_edges])
def test_a_picture_stored_on_its_side_is_measured_as_shown(orientation: Orientation) -> None:
    source = replace(A_SOURCE, orientation=orientation)
    assert source.shown_size == (1080, 1920)
    assert sizes(source)["MP4_720"] == (720, 1280)


def test_pixels_that_are_not_square_count_as_shown() -> None:
    assert sizes(replace(of_size(720, 576), pixel_aspect=Fraction(64, 45)))["MP4_720"] == (1024, 576)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("24000/1001", "24000/1001"),
        ("30", "30"),
        ("60000/1001", "60000/1001"),
        ("60", "60"),
        ("90", "45"),
        ("120", "60"),
        ("120000/1001", "60000/1001"),
        ("240", "60"),
        ("10", "10"),
        ("15/2", "15"),
        ("2/3", "10"),
        ("1/10", "10"),
        ("0", "10"),
    ],
)
def test_a_constant_rate_stays_or_is_divided_or_multiplied(rate: str, expected: str) -> None:
    assert frame_rate(replace(A_SOURCE, frame_rate=Fraction(rate))) == Fraction(expected)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [("29.97", "30"), ("30.1", "30"), ("24.9", "25"), ("14", "30"), ("33", "60"), ("58.5", "60")],
)
def test_a_variable_rate_becomes_a_common_one(rate: str, expected: str) -> None:
    source = replace(A_SOURCE, frame_rate=Fraction(rate), constant_rate=False)
    assert frame_rate(source) == Fraction(expected)


def test_the_thumbnail_is_at_one_second_or_in_the_middle_of_a_shorter_clip() -> None:
    assert plan(A_SOURCE).thumbnail_at == 1
    assert plan(replace(A_SOURCE, duration_ms=1500)).thumbnail_at == Fraction(3, 4)


def test_segments_and_preview_end_at_keyframes() -> None:
    assert SEGMENT_SECONDS % KEYFRAME_SECONDS == PREVIEW_SECONDS % KEYFRAME_SECONDS == 0


def test_sources_of_one_kind_share_a_profile() -> None:
    short, long = (replace(A_SOURCE, duration_ms=duration_ms) for duration_ms in (2_000, 20_000))
    assert plan(short).renditions is plan(long).renditions
    assert plan(short).frames < plan(long).frames
