"""What a viewer sees in an output: its decoded samples, turned into colours by BT.709's formulas and no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""Height × width × RGB, 0 to 255; below and above where the samples leave the range."""


@dataclass(frozen=True)
class Film:
    """A video track as it is decoded: the samples of each frame (Y, Cb, Cr), its time in seconds, whether it is a
    keyframe. `seconds` is how long the track says that it lasts, `tags` what it says of its colours.
    """

    frames: Sequence[tuple[NDArray[np.uint8], ...]]
    times: Sequence[float]
    keys: Sequence[bool]
    seconds: float
    rate: float
    codec: str
    pixel_format: str
    tags: tuple[int, int, int, int]
    pixel_aspect: float
    streams: Sequence[str]
    metadata: dict[str, str]

    @property
    def size(self) -> tuple[int, int]:
        height, width = self.frames[0][0].shape
        return width, height

    @cached_property
    def flashes(self) -> list[float]:
        """When the middle of the picture becomes white."""
        width, height = self.size
        middle = np.s_[height * 2 // 5 : height * 3 // 5 or 1, width * 2 // 5 : width * 3 // 5 or 1]
        white = [float(luma[middle].mean()) > 190 for luma, _, _ in self.frames]
        return [time for time, now, before in zip(self.times, white, [False, *white], strict=False) if now > before]

    @property
    def lasts(self) -> float:
        """From the first frame to the end of the last, by the frames' times."""
        step = (self.times[-1] - self.times[0]) / (len(self.times) - 1) if len(self.times) > 1 else 0
        return self.times[-1] - self.times[0] + step

    def picture(self, number: int) -> Picture:
        return rgb(*self.frames[number])


def watch(path: Path) -> Film:
    """Decode the first video track. A rotation left in it fails the test."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        decoded = list(container.decode(stream))
        assert all(frame.rotation == 0 for frame in decoded)
        return Film(
            frames=[_planes(frame) for frame in decoded],
            times=[float(frame.time or 0) for frame in decoded],
            keys=[bool(frame.key_frame) for frame in decoded],
            seconds=float((stream.duration or 0) * (stream.time_base or 0)),
            rate=float(stream.average_rate or 0),
            codec=f"{codec.name} {codec.profile}",
            pixel_format=str(codec.pix_fmt),
            tags=(codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range),
            pixel_aspect=float(stream.sample_aspect_ratio or 1),
            streams=[stream.type for stream in container.streams],
            metadata={**container.metadata, **stream.metadata},
        )


def still(path: Path) -> Picture:
    """A JPEG as browsers show it: BT.601 of full range."""
    with av.open(str(path)) as container:
        return rgb(*_planes(next(container.decode(video=0))), matrix=(0.299, 0.114), full_range=True)


def corners(picture: Picture) -> NDArray[np.float32]:
    """The colours of the four corners, from the top left by rows, each averaged over the middle of its mark."""
    height, width, _ = picture.shape
    up, left = max(1, height // 8), max(1, width // 8)
    reach_y, reach_x = height // 24, width // 24
    places = ((up, left), (up, width - left - 1), (height - up - 1, left), (height - up - 1, width - left - 1))
    marks = [picture[y - reach_y : y + reach_y + 1, x - reach_x : x + reach_x + 1] for y, x in places]
    return np.array([mark.reshape(-1, 3).mean(axis=0) for mark in marks], dtype=np.float32)


def far_apart(measured: NDArray[np.float32], expected: object) -> float:
    """The largest difference of a colour channel."""
    return float(np.abs(measured - np.array(expected, dtype=np.float32)).max())


def rgb(
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    *,
    matrix: tuple[float, float] = (0.2126, 0.0722),
    full_range: bool = False,
) -> Picture:
    """The colours of 4:2:0 samples. `matrix` is how much red and blue count in the luma."""
    kr, kb = matrix
    rise = (np.arange(luma.shape[0]) // 2).clip(max=blue.shape[0] - 1)
    run = (np.arange(luma.shape[1]) // 2).clip(max=blue.shape[1] - 1)
    y = luma.astype(np.float32) if full_range else (luma.astype(np.float32) - 16) * 255 / 219
    scale = 1 if full_range else 255 / 224
    cb, cr = ((plane.astype(np.float32)[rise][:, run] - 128) * scale for plane in (blue, red))
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return np.stack([r, (y - kr * r - kb * b) / (1 - kr - kb), b], axis=-1)


def _planes(frame: av.VideoFrame) -> tuple[NDArray[np.uint8], ...]:
    """The samples as they are stored: no conversion."""
    assert frame.format.name in ("yuv420p", "yuvj420p"), frame.format.name
    return tuple(
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()
        for plane in frame.planes
    )
