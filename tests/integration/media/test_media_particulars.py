"""What only some clips have: fields, highlights, six channels, many segments."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from media_clips import transcode

from tests.corpus.everything import CORPUS
from tests.corpus.hearing import listen
from tests.corpus.hls import check_hls
from tests.corpus.light import GREYS, SKINS, patches
from tests.corpus.scene import picture, record
from tests.corpus.seeing import Film, watch

# Fields


@pytest.mark.parametrize("name", ["interlaced-top", "interlaced-bottom"])
async def test_what_moves_between_two_fields_has_no_teeth(name: str, tmp_path: Path) -> None:
    made = await transcode(CORPUS[name].file(), tmp_path)
    assert made.source.interlaced
    before, after = (_teeth(watch(path)) for path in (CORPUS[name].file(), made.top))
    assert after < before / 4


def _teeth(film: Film) -> float:
    """How much neighbouring rows differ where rows two apart do not, behind the bar that moves."""
    rows = np.array([luma[150:210, 125:355] for luma, _, _ in film.frames]).astype(float)
    comb = 2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:]
    alike = np.abs(rows[:, :-2] - rows[:, 2:]) < 12
    return float((np.abs(comb) * alike).mean())


# Highlights and skin


@pytest.mark.parametrize("name", ["pq", "hlg"])
async def test_hdr_keeps_skin_as_it_is_and_highlights_apart(name: str, tmp_path: Path) -> None:
    film = watch((await transcode(CORPUS[name].file(), tmp_path)).top)
    shown = film.picture(0)
    colours = np.array([shown[place].reshape(-1, 3).mean(axis=0) for place in patches(film.size)])
    greys, skins = colours[: len(GREYS)], colours[len(GREYS) :]
    assert np.abs(skins - np.array(SKINS)).max() < 8
    # Neutral stays neutral, dark greys are as on a display of standard range, and light keeps its order up to the top.
    assert (greys.max(axis=1) - greys.min(axis=1)).max() < 4
    for level, shade in zip(GREYS[:2], greys, strict=False):
        assert shade.mean() == pytest.approx(255 * (level / 203) ** (1 / 2.4), abs=5)
    levels = greys.mean(axis=1)
    assert all(lighter - darker > 0.5 for darker, lighter in itertools.pairwise(levels))
    # Diffuse white is white, and a lamp of twice its light still shows.
    assert 230 < levels[2] < 245
    assert levels[3] - levels[2] > 6


# Six channels

_PITCHES = (300, 500, 700, 900, 1100, 1300)
"""Of front left, front right, centre, subwoofer, back left, back right."""


@pytest.mark.parametrize(
    ("codec", "centre", "back"),
    [("aac", 0.7071, 0.7071), ("pcm_s16le", 0.7071, 0.7071), ("ac3", 0.5946, 0.5)],
    ids=["aac", "pcm", "ac3 by its own levels"],
)
async def test_surround_is_mixed_as_bt_775_says_or_the_stream(
    codec: str, centre: float, back: float, tmp_path: Path
) -> None:
    made = await transcode(_surround(tmp_path, codec, amplitude=0.2), tmp_path)
    heard = listen(made.top)
    left, right = np.array([heard.amplitude(pitch, 0.2, 0.8) for pitch in _PITCHES]).T / 0.2
    assert left == pytest.approx([1, 0, centre, 0, back, 0], abs=0.05)
    assert right == pytest.approx([0, 1, centre, 0, 0, back], abs=0.05)


async def test_a_loud_surround_is_held_below_full_scale_without_distortion(tmp_path: Path) -> None:
    heard = listen((await transcode(_surround(tmp_path, "pcm_s16le", amplitude=0.6), tmp_path)).top)
    middle = heard.samples[:, heard.rate // 5 : -heard.rate // 5]
    assert np.abs(middle).max() <= 1.0
    # What clipping would add at pitches that nobody played.
    played = heard.amplitude(300, 0.2, 0.8).max()
    assert all(heard.amplitude(pitch, 0.2, 0.8).max() < 0.05 * played for pitch in (200, 400, 600, 1500))


def _surround(directory: Path, codec: str, *, amplitude: float) -> Path:
    path = directory / "surround.mov"
    waves = "|".join(f"{amplitude}*sin(2*PI*{pitch}*t)" for pitch in _PITCHES)
    sound = f"aevalsrc='{waves}':s=48000:d=1:c=5.1"
    bits = () if codec == "pcm_s16le" else ("-b:a", "448k")
    record(path, "-c:a", codec, *bits, scene=picture(seconds=1, flashes=()), sounds=sound)
    return path


# Many segments


@pytest.mark.parametrize("rate", ["10", "24000/1001", "25", "30000/1001", "60000/1001"])
async def test_segments_are_cut_alike_at_every_rate(rate: str, tmp_path: Path) -> None:
    clip, frames = tmp_path / "clip.mp4", round(13 * Fraction(rate))
    scene = picture((426, 426), seconds=14, rate=rate, flashes=())
    record(clip, "-frames:v", str(frames), "-t", "13", scene=scene)
    made = await transcode(clip, tmp_path)
    films = [watch(made.file(kind)) for kind in ("MP4_720", "MP4_240")]
    assert films[0].keys == films[1].keys
    assert sum(films[0].keys) == 5
    check_hls(
        made.file("HLS"),
        [film.size for film in films],
        seconds=films[0].lasts,
        rate=films[0].rate,
        audio=True,
    )


@pytest.mark.long
async def test_half_a_minute_of_a_wandering_rate_does_not_drift(tmp_path: Path) -> None:
    flashes = (1.0, 8.0, 15.0, 22.0, 29.0)
    wander = "settb=1/90000,setpts='(N/30+0.3*sin(N/40)*sin(N/40)+0.002*sin(N*1.7)+0.002)/TB'"
    clip = tmp_path / "clip.mp4"
    record(
        clip,
        *("-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-video_track_timescale", "90000"),
        scene=picture(seconds=29.6, flashes=flashes, timing=wander),
        sounds=f"aevalsrc='0.5*sin(2*PI*1000*t)*({_any(flashes)})|0.5*sin(2*PI*1000*t)*({_any(flashes)})':s=44100:d=29.9",
    )
    made = await transcode(clip, tmp_path)
    film, heard = watch(made.top), listen(made.top)
    assert film.flashes == pytest.approx(list(flashes), abs=0.05)
    assert heard.beeps == pytest.approx(film.flashes, abs=0.06)


def _any(times: tuple[float, ...]) -> str:
    return "+".join(f"between(t,{at},{at + 0.1})" for at in times)
