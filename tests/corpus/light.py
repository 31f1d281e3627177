"""High dynamic range and wide gamut, computed from light: by the formulas of BT.2100 and BT.2020, and no library's.

The marks and a row of patches are given as light of BT.709's primaries, with BT.2408's reference white at 203 cd/m²;
what a phone would write of them follows.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import AAC, CORNERS, FLASH_SECONDS, FLASHES, HEVC, sound, told

Light = NDArray[np.float64]
"""Height × width × RGB."""

SIZE = (320, 180)
SECONDS, RATE = 1.5, 30
REFERENCE_WHITE = 203.0
# What stands in the picture's upper middle, from the left: cd/m² of neutral light, then two skins by their BT.709 code.
GREYS = (26.0, 100.0, 203.0, 400.0, 600.0, 1000.0)
SKINS = ((224, 172, 140), (110, 72, 52))

_TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
_TO_P3 = np.array([[0.8225, 0.1775, 0.0], [0.0332, 0.9668, 0.0], [0.0171, 0.0724, 0.9105]])
_NAMES = {"pq": "smpte2084", "hlg": "arib-std-b67", "sdr": "bt709"}


def clips() -> Iterator[Clip]:
    loose = 12.0
    for transfer in ("pq", "hlg"):
        yield Clip(transfer, lambda path, transfer=transfer: _film(path, transfer, "bt2020"), colours_within=loose)
    yield Clip("hlg-in-quicktime", lambda path: _film(path, "hlg", "bt2020"), colours_within=loose, suffix=".mov")
    yield Clip("bt2020-sdr", lambda path: _film(path, "sdr", "bt2020"))
    yield Clip("p3-sdr", lambda path: _film(path, "sdr", "smpte432"))


def patches(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Where the patches are in a picture: their middles, greys first."""
    width, height = size
    count = len(GREYS) + len(SKINS)
    left, wide = width * 0.28, width * 0.44 / count
    rows = slice(round(height * 0.05), round(height * 0.18))
    return [
        (rows, slice(round(left + (number + 0.25) * wide), round(left + (number + 0.75) * wide)))
        for number in range(count)
    ]


def _film(path: Path, transfer: str, primaries: str) -> None:
    frames = b"".join(_samples(_scene(number / RATE), transfer, primaries) for number in range(round(SECONDS * RATE)))
    matrix = "bt2020nc" if primaries == "bt2020" else "bt709"
    width, height = SIZE
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", f"{width}x{height}", "-r", str(RATE), "-i", "pipe:0"),
        *("-f", "lavfi", "-i", sound(), "-vf", told(primaries=primaries, transfer=_NAMES[transfer], matrix=matrix)),
        *(*HEVC, "-pix_fmt", "yuv420p10le", *AAC, path),
        stdin=frames,
    )


def _scene(at: float) -> Light:
    """The scene as light, cd/m²."""
    width, height = SIZE
    wide, high = width // 4, height // 4
    light = np.full((height, width, 3), 20.0)
    if any(begin - 0.001 <= at < begin + FLASH_SECONDS - 0.001 for begin in FLASHES):
        light[high:-high, wide:-wide] = REFERENCE_WHITE
    places = (np.s_[:high, :wide], np.s_[:high, -wide:], np.s_[-high:, :wide], np.s_[-high:, -wide:])
    for place, colour in zip(places, CORNERS, strict=True):
        light[place] = _light_of(colour)
    edges = np.linspace(width * 0.28, width * 0.72, len(GREYS) + len(SKINS) + 1).round().astype(int)
    colours = [*(np.full(3, grey) for grey in GREYS), *map(_light_of, SKINS)]
    for left, right, colour in zip(edges, edges[1:], colours, strict=False):
        light[: high - 4, left:right] = colour
    return light


def _light_of(code: tuple[int, int, int]) -> Light:
    """The light of a BT.709 colour on BT.1886's display with reference white."""
    light: Light = REFERENCE_WHITE * (np.array(code) / 255) ** 2.4
    return light


def _samples(light: Light, transfer: str, primaries: str) -> bytes:
    """10-bit Y'CbCr of limited range, 4:4:4."""
    rgb = np.maximum(light @ (_TO_2020 if primaries == "bt2020" else _TO_P3).T, 0)
    signal = {"pq": _pq, "hlg": _hlg, "sdr": _sdr}[transfer](rgb)
    red, green, blue = np.moveaxis(signal, -1, 0)
    kr, kb = (0.2627, 0.0593) if primaries == "bt2020" else (0.2126, 0.0722)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = [(blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))]
    planes = [64 + 876 * luma, *(512 + 896 * part for part in chroma)]
    return b"".join(np.clip(plane.round(), 4, 1019).astype("<u2").tobytes() for plane in planes)


def _pq(light: Light) -> Light:
    """SMPTE ST 2084's inverse EOTF."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg(light: Light) -> Light:
    """BT.2100's HLG for a display of 1,000 cd/m²: its system gamma undone, then the OETF."""
    luminance = (light @ np.array([0.2627, 0.6780, 0.0593]))[..., None] / 1000
    scene = light / 1000 * np.maximum(luminance, 1e-9) ** (-0.2 / 1.2)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c)


def _sdr(light: Light) -> Light:
    """BT.1886's display, read backwards; reference white at 1."""
    value: Light = np.minimum(light / REFERENCE_WHITE, 1) ** (1 / 2.4)
    return value
