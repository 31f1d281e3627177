"""Whatever a clip is like, it comes out upright, in its colours, in time, in sync, and without its secrets."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from media_clips import Transcoded, transcode

from tests.corpus.clip import Clip
from tests.corpus.everything import CORPUS
from tests.corpus.hearing import Heard, listen
from tests.corpus.hls import check_hls, first_playlist
from tests.corpus.scene import BEEP_HZ, CORNERS, FLASH_SECONDS
from tests.corpus.seeing import Film, corners, far_apart, still, watch

SYNC_SECONDS = 0.06
RENDITIONS = ("MP4_720", "MP4_480", "MP4_240")
SECRETS = (b"48.1374", b"Secret", b"My home", b"2026-01-02")
KEPT_TAGS = {"major_brand", "minor_version", "compatible_brands", "encoder", "language", "handler_name", "vendor_id"}


@dataclass(frozen=True)
class Result:
    """A clip, and what became of it, decoded once for all tests."""

    clip: Clip
    made: Transcoded

    @cached_property
    def films(self) -> dict[str, Film]:
        """Each rendition and the preview."""
        return {kind: watch(self.made.file(kind)) for kind in self.made.kinds if kind in (*RENDITIONS, "PREVIEW")}

    @property
    def top(self) -> Film:
        return self.films["MP4_720"]

    @property
    def renditions(self) -> list[Film]:
        return [film for kind, film in self.films.items() if kind != "PREVIEW"]

    @cached_property
    def heard(self) -> Heard:
        return listen(self.made.top)

    @property
    def frame_seconds(self) -> float:
        return 1 / self.clip.rate


@pytest.fixture(scope="module", params=CORPUS.values(), ids=str)
async def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    clip: Clip = request.param
    return Result(clip, await transcode(clip.file(), tmp_path_factory.mktemp(clip.name)))


async def test_it_is_upright_and_in_its_colours(result: Result) -> None:
    for film in result.films.values():
        for number in (0, len(film.frames) // 2, -1):
            assert far_apart(corners(film.picture(number)), CORNERS) < result.clip.colours_within
    assert far_apart(corners(still(result.made.file("THUMB"))), CORNERS) < result.clip.colours_within


async def test_it_has_its_size_and_says_what_its_samples_are(result: Result) -> None:
    assert result.top.size == result.clip.size
    for film in result.films.values():
        assert all(edge % 2 == 0 for edge in film.size)
        assert (film.codec, film.pixel_format, film.pixel_aspect) == ("h264 High", "yuv420p", 1)
        assert film.tags == (1, 1, 1, 1)
    sounds = ["audio"] if result.clip.channels else []
    assert all(film.streams == ["video", *sounds] for film in result.renditions)
    assert result.films["PREVIEW"].streams == ["video"]


async def test_it_has_its_rate_and_duration(result: Result) -> None:
    step = result.frame_seconds
    for film in result.renditions:
        assert film.rate == pytest.approx(result.clip.rate, abs=0.002)
        assert film.times[0] == 0
        assert all(b - a == pytest.approx(step, abs=0.002) for a, b in itertools.pairwise(film.times))
        assert film.lasts == pytest.approx(result.clip.seconds, abs=1.01 * step)
        assert film.seconds == pytest.approx(film.lasts, abs=0.002)
        assert len(film.frames) == len(result.top.frames)
        assert film.keys == result.top.keys
    assert result.films["PREVIEW"].lasts == pytest.approx(min(3, result.top.lasts), abs=0.002)
    assert result.made.source.duration_ms == pytest.approx(1000 * result.clip.seconds, abs=1000 * step)


async def test_flash_and_beep_are_where_they_were_and_together(result: Result) -> None:
    playlist = first_playlist(result.made.file("HLS"))
    films = [*result.renditions, watch(playlist)]
    for film in films:
        shift = film.times[0]
        assert len(film.flashes) == len(result.clip.flashes)
        for seen, at in zip(film.flashes, result.clip.flashes, strict=True):
            # The first frame of the flash comes up to a frame after it began, and may move to the next place in time.
            assert seen - shift == pytest.approx(at, abs=1.05 * result.frame_seconds + 0.002)
    if result.clip.channels and result.clip.flashes and result.clip.beep:
        for film, heard in ((result.top, result.heard), (films[-1], listen(playlist))):
            assert len(heard.beeps) == len(result.clip.flashes)
            assert np.abs(np.array(heard.beeps) - np.array(film.flashes)).max() <= SYNC_SECONDS


async def test_it_sounds_as_loud_as_it_was_and_as_long_as_the_picture(result: Result) -> None:
    if result.clip.channels is None:
        return
    assert (result.heard.rate, result.heard.channels) == (48_000, result.clip.channels)
    assert result.heard.seconds == pytest.approx(result.top.lasts, abs=0.03)
    for at in result.clip.flashes:
        loud = result.heard.amplitude(BEEP_HZ, at + 0.02, at + FLASH_SECONDS - 0.02)
        # Half a decibel.
        assert loud == pytest.approx(result.clip.beep, rel=0.06, abs=0.001)


async def test_nothing_that_the_file_told_of_its_maker_is_left(result: Result) -> None:
    files = _outputs(result.made)
    assert files
    for path in files:
        assert not any(secret in path.read_bytes() for secret in SECRETS), path.name
    for film in result.films.values():
        assert set(film.metadata) <= KEPT_TAGS


async def test_its_hls_keeps_the_rules(result: Result) -> None:
    check_hls(
        result.made.file("HLS"),
        [film.size for film in result.renditions],
        seconds=result.clip.seconds,
        rate=result.clip.rate,
        audio=result.clip.channels is not None,
    )


def _outputs(made: Transcoded) -> list[Path]:
    stored = [made.file(kind) for kind in made.kinds]
    return [*stored, *made.file("HLS").parent.iterdir()]
