"""From high to standard dynamic range: a table of colours for FFmpeg's `lut3d`, computed from BT.2100's formulas.

FFmpeg's own filters take HLG's system gamma channel by channel, which makes skin redder than it is; and a table costs
less for each frame than the way through linear light.
"""

import math
from functools import cache

Colour = tuple[float, float, float]

HDR_TRANSFERS = {"smpte2084", "arib-std-b67"}
EDGE = 33
"""Steps of each channel; colours between are interpolated, and differ from the formulas by less than one of 255."""
REFERENCE_WHITE = 203.0
"""cd/m² that become SDR's white: BT.2408's level of diffuse white, which keeps grey and skin as bright as they were."""
_KNEE = 0.7
_BRIGHTEST = {"smpte2084": 4000.0, "arib-std-b67": 1000.0}
"""cd/m² that become the brightest white; PQ has no largest, but no phone and few films go further."""
_SDR_GAMMA = 2.4


@cache
def cube(transfer: str) -> str:
    """The table for a transfer of `HDR_TRANSFERS` as a .cube file: R'G'B' of BT.2020 to R'G'B' of BT.709."""
    light = {"smpte2084": _pq_light, "arib-std-b67": _hlg_light}[transfer]
    peak = _BRIGHTEST[transfer] / REFERENCE_WHITE
    steps = [step / (EDGE - 1) for step in range(EDGE)]
    colours = (_to_sdr(light((red, green, blue)), peak) for blue in steps for green in steps for red in steps)
    lines = ("{:.5f} {:.5f} {:.5f}\n".format(*colour) for colour in colours)
    return f"LUT_3D_SIZE {EDGE}\n{''.join(lines)}"


def _to_sdr(light: Colour, peak: float) -> Colour:
    """A colour of BT.2020 (reference white at 1) as BT.709 shows it: bent where it is bright, in its hue."""
    red, green, blue = light
    colour = (
        1.6605 * red - 0.5877 * green - 0.0728 * blue,
        -0.1246 * red + 1.1330 * green - 0.0084 * blue,
        -0.0182 * red - 0.1006 * green + 1.1187 * blue,
    )
    brightest = max(colour)
    if brightest <= 0:
        return 0.0, 0.0, 0.0
    darker = _bent(brightest, peak) / brightest
    colour = (colour[0] * darker, colour[1] * darker, colour[2] * darker)
    # What BT.709 can't show is paler, as bright and in the same hue, where it would be cut off in another.
    grey = 0.2126 * colour[0] + 0.7152 * colour[1] + 0.0722 * colour[2]
    paler = grey / (grey - min(colour)) if min(colour) < 0 < grey else 1.0
    red, green, blue = (max(0.0, min(1.0, grey + paler * (part - grey))) ** (1 / _SDR_GAMMA) for part in colour)
    return red, green, blue


def _bent(light: float, peak: float) -> float:
    """Unchanged up to the knee; from there a hyperbola that continues it smoothly and brings `peak` to 1."""
    if light <= _KNEE:
        return light
    a = -_KNEE * _KNEE * (peak - 1) / (_KNEE * _KNEE - 2 * _KNEE + peak)
    b = (_KNEE * _KNEE - 2 * _KNEE * peak + peak) / (peak - 1)
    return (b * b + 2 * b * _KNEE + _KNEE * _KNEE) / (b - a) * (min(light, peak) + a) / (min(light, peak) + b)


def _pq_light(signal: Colour) -> Colour:
    """SMPTE ST 2084's EOTF."""
    red, green, blue = (_pq(part) for part in signal)
    return red, green, blue


@cache
def _pq(signal: float) -> float:
    power = signal ** (1 / 78.84375)
    light = max(0.0, power - 0.8359375) / (18.8515625 - 18.6875 * power)
    return float(10_000 / REFERENCE_WHITE * light ** (1 / 0.1593017578125))


def _hlg_light(signal: Colour) -> Colour:
    """BT.2100's HLG on a display of 1,000 cd/m², whose system gamma of 1.2 works on the luminance."""
    red, green, blue = (_hlg(part) for part in signal)
    luminance = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    brighter = 1000 / REFERENCE_WHITE * luminance**0.2
    return red * brighter, green * brighter, blue * brighter


@cache
def _hlg(signal: float) -> float:
    return signal * signal / 3 if signal <= 0.5 else (math.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
