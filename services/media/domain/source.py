"""What was measured in an original before it is decoded."""

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Orientation(Enum):
    """How the stored picture becomes the shown one: a turn clockwise in degrees, after mirroring left to right.

    The eight cases that a display matrix of right angles can say.
    """

    UPRIGHT = (0, False)
    TURNED_90 = (90, False)
    TURNED_180 = (180, False)
    TURNED_270 = (270, False)
    MIRRORED = (0, True)
    MIRRORED_90 = (90, True)
    MIRRORED_180 = (180, True)
    MIRRORED_270 = (270, True)

    @property
    def degrees(self) -> int:
        return self.value[0]

    @property
    def swaps_edges(self) -> bool:
        """Whether the stored height is the shown width."""
        return self.degrees in (90, 270)


# The signs of the matrix (a, b, c, d): a stored point (x, y) is shown at (a·x + c·y, b·x + d·y).
_BY_SIGNS = {
    (1, 0, 0, 1): Orientation.UPRIGHT,
    (0, 1, -1, 0): Orientation.TURNED_90,
    (-1, 0, 0, -1): Orientation.TURNED_180,
    (0, -1, 1, 0): Orientation.TURNED_270,
    (-1, 0, 0, 1): Orientation.MIRRORED,
    (0, -1, -1, 0): Orientation.MIRRORED_90,
    (1, 0, 0, -1): Orientation.MIRRORED_180,
    (0, 1, 1, 0): Orientation.MIRRORED_270,
}


def orientation(a: int, b: int, c: int, d: int) -> Orientation:
    """The orientation that a display matrix says, snapped to right angles; an empty or odd matrix says upright."""
    largest = max(abs(a), abs(b), abs(c), abs(d))

    def sign(value: int) -> int:
        return (value > 0) - (value < 0) if 2 * abs(value) > largest else 0

    return _BY_SIGNS.get((sign(a), sign(b), sign(c), sign(d)), Orientation.UPRIGHT)


@dataclass(frozen=True)
class Audio:
    """The audio track that is kept. `start_us` is when its first sample sounds, on the container's clock."""

    index: int
    codec: str
    channels: int
    sample_rate: int
    start_us: int


@dataclass(frozen=True)
class Source:
    """The measured facts of an original.

    `stored_width` × `stored_height` is the decoded picture; `width` and `height` are as shown, after pixel aspect and
    orientation. `duration_ms` is the video track's presentation span after edit lists, `start_us` its beginning on
    the container's clock. `frame_rate` is the rate of most frames (frames per second); `constant_rate` is False for
    variable frame rate. `color_*` and `pixel_format` are FFmpeg's names; "unknown" where the file says nothing.
    """

    container: str
    size_bytes: int
    video_index: int
    video_codec: str
    stored_width: int
    stored_height: int
    pixel_aspect: Fraction
    orientation: Orientation
    duration_ms: int
    start_us: int
    frames: int
    frame_rate: Fraction
    constant_rate: bool
    interlaced: bool
    pixel_format: str
    color_primaries: str
    color_transfer: str
    color_matrix: str
    audio: Audio | None

    @property
    def shown_size(self) -> tuple[int, int]:
        """Width and height in pixels as shown, after pixel aspect and orientation."""
        width = max(1, round(self.stored_width * self.pixel_aspect))
        return (self.stored_height, width) if self.orientation.swaps_edges else (width, self.stored_height)

    @property
    def fps(self) -> float:
        """Average frame rate in frames per second."""
        return round(1000 * self.frames / self.duration_ms, 3) if self.duration_ms else float(self.frame_rate)
