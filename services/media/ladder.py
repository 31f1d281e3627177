"""The ladder: which renditions a source gets, at which size and frame rate. Pure; every transcoder uses it."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from services.media.domain.source import Source

MAX_FPS = 60
MIN_FPS = 10
"""Below it a frame would be so long that neither the preview nor the clip's end could be cut to the point."""
KEYFRAME_SECONDS = 3
"""Divides the segment length, and the preview's, so that both are cut without encoding again."""
SEGMENT_SECONDS = 6
PREVIEW_SECONDS = 3
THUMBNAIL_AT_SECONDS = Fraction(1)
BUFFER_FILL = 0.9
"""Of the rate buffer, which holds a second, at the start."""
KINDS = 256
"""Profiles that are kept; phones make few sizes."""

# Rates that a variable source is brought to, when most of its frames come at about that rate. Whole ones only: frames
# that come when they like do not tell 29.97 from 30, and one more or less in half a minute shows nowhere.
_COMMON_RATES = (24, 25, 30, 50, 60)


@dataclass(frozen=True)
class Rung:
    """A step of the ladder: the short edge in pixels, and the ceilings of the average bit rates in bits per second."""

    kind: str
    name: str
    short_edge: int
    video_bps: int
    audio_bps: int


LADDER = (
    Rung("MP4_720", "720p", 720, 2_500_000, 128_000),
    Rung("MP4_480", "480p", 480, 1_000_000, 128_000),
    Rung("MP4_240", "240p", 240, 400_000, 96_000),
)


@dataclass(frozen=True)
class Rendition:
    """A rung for one source. `size` is width and height in pixels as shown; both are even."""

    rung: Rung
    size: tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """What is made of a source: renditions from the largest on (there is always the top rung), and of each so many
    frames at so many a second.
    """

    renditions: tuple[Rendition, ...]
    frame_rate: Fraction
    frames: int
    thumbnail_at: Fraction


def plan(source: Source) -> Plan:
    """The plan for one source, on the profile of its kind."""
    rate = frame_rate(source)
    return Plan(
        renditions=profile(*source.shown_size),
        frame_rate=rate,
        frames=max(1, round(source.duration_ms * rate / 1000)),
        thumbnail_at=min(THUMBNAIL_AT_SECONDS, Fraction(source.duration_ms, 2000)),
    )


@lru_cache(KINDS)
def profile(width: int, height: int) -> tuple[Rendition, ...]:
    """The renditions of every source that is shown at this size, computed once.

    Nothing is upscaled: a source below a rung keeps its size there, and rungs that would repeat it are left out.
    """
    renditions: list[Rendition] = []
    for rung in LADDER:
        if not renditions or rung.short_edge < min(renditions[-1].size):
            renditions.append(Rendition(rung, _fit(width, height, rung.short_edge)))
    return tuple(renditions)


def peak_bps(rung: Rung, duration_ms: int) -> int:
    """The video bit rate at which a buffer of one second is filled, so that the average stays below the ceiling.

    The buffer starts with `BUFFER_FILL` in it; that counts into the average, which matters in a short clip.
    """
    seconds = max(0.1, duration_ms / 1000)
    return round(rung.video_bps * seconds / (seconds + BUFFER_FILL))


def frame_rate(source: Source) -> Fraction:
    """Frames per second of the outputs: the source's, divided by a whole number where it is above 60, times one where
    it is below 10.

    A variable rate becomes the common rate that most of its frames come at, else the next higher of 30 and 60.
    """
    # A frame that lasts a minute outlasts every clip, so how long it really lasts does not matter.
    rate = max(source.frame_rate, Fraction(1, 60))
    if not source.constant_rate:
        nearest = min(_COMMON_RATES, key=lambda common: abs(common - rate))
        is_near = abs(nearest - rate) <= nearest * Fraction(3, 100)
        rate = Fraction(nearest if is_near else 30 if rate < 30 else MAX_FPS)
    return rate * -(-MIN_FPS // rate) if rate < MIN_FPS else rate / -(-rate // MAX_FPS)


def _fit(width: int, height: int, short_edge: int) -> tuple[int, int]:
    """The size with this short edge, or the source's own if it is smaller."""
    short = min(width, height)
    if short <= short_edge:
        return _even_below(width), _even_below(height)
    return _even_near(Fraction(width * short_edge, short)), _even_near(Fraction(height * short_edge, short))


def _even_below(edge: int) -> int:
    return max(2, edge - edge % 2)


def _even_near(edge: Fraction) -> int:
    return max(2, 2 * round(edge / 2))
