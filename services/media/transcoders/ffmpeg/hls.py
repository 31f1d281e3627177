"""HLS packaging of one run: reads the media playlists that a converter made, and writes all playlists (RFC 8216).

FFmpeg's own master playlist has no FRAME-RATE, and leaves every variant of a clip up to half a second out. Of media
playlists only the segments are taken: what else a converter may have written (a key, an address) reaches no player.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from services.media.ladder import Rendition

MASTER = "master.m3u8"
_AAC_LC = "mp4a.40.2"
_DIGITS = 6
"""Of a second that is not whole: microseconds. What is read again from a playlist of ours is the same."""


@dataclass(frozen=True)
class Segment:
    """A segment's file name, its duration in seconds and its size in bytes."""

    name: str
    seconds: float
    size_bytes: int


@dataclass(frozen=True)
class Variant:
    """A rendition in HLS: the path of its media playlist, and its segments. `codecs` as RFC 6381 says."""

    rendition: Rendition
    playlist: str
    segments: Sequence[Segment]
    codecs: str
    frame_rate: Fraction

    @property
    def seconds(self) -> float:
        return sum(segment.seconds for segment in self.segments)

    @property
    def size_bytes(self) -> int:
        return sum(segment.size_bytes for segment in self.segments)

    @property
    def average_bps(self) -> int:
        return round(8 * self.size_bytes / self.seconds)

    @property
    def peak_bps(self) -> int:
        """BANDWIDTH: the largest bit rate of segments in a row that last 0.5 to 1.5 target durations (RFC 8216,
        4.1); so a last segment of one frame tells nothing of the rest.
        """
        target = target_seconds(segment.seconds for segment in self.segments)
        rates = [self.average_bps]
        for first, last in itertools.combinations(range(len(self.segments) + 1), 2):
            run = self.segments[first:last]
            seconds = sum(segment.seconds for segment in run)
            if target / 2 <= seconds <= target * 1.5:
                rates.append(round(8 * sum(segment.size_bytes for segment in run) / seconds))
        return max(rates)


def read_segments(playlist: Path) -> list[Segment]:
    """The segments that a media playlist names, beside it. Raises ValueError for names that are not its own."""
    return [
        Segment(name, seconds, playlist.with_name(name).stat().st_size)
        for name, seconds in segment_entries(playlist)
        if seconds > 0
    ]


def segment_entries(playlist: Path) -> list[tuple[str, float]]:
    """The name and the duration (seconds) of each segment that a media playlist names: its own name and a number, none
    twice. Raises ValueError for others.
    """
    text = playlist.read_text("utf-8")
    names = [line for line in text.splitlines() if line and not line.startswith("#")]
    if len(set(names)) < len(names) or not all(re.fullmatch(rf"{playlist.stem}_\d+\.ts", name) for name in names):
        raise ValueError(f"{playlist.name} names {len(names)} segments, of which some are not its own: {names[:6]}")
    durations = re.findall(r"^#EXTINF:(\d+(?:\.\d+)?),", text, re.MULTILINE)
    return [(name, round(float(seconds), _DIGITS)) for name, seconds in zip(names, durations, strict=True)]


def target_seconds(durations: Iterable[float]) -> int:
    """EXT-X-TARGETDURATION: what no duration, rounded, passes; at least 1, because players refuse 0."""
    return max(1, *(math.floor(seconds + 0.5) for seconds in durations))


def media_playlist(segments: Sequence[Segment]) -> str:
    lines = [
        *("#EXTM3U", "#EXT-X-VERSION:6", f"#EXT-X-TARGETDURATION:{target_seconds(part.seconds for part in segments)}"),
        *("#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-PLAYLIST-TYPE:VOD", "#EXT-X-INDEPENDENT-SEGMENTS"),
    ]
    for segment in segments:
        lines += [f"#EXTINF:{segment.seconds:.{_DIGITS}f},", segment.name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


def codecs_of(mp4: Path, *, audio: bool) -> str:
    """The CODECS of an MP4 of ours: profile, constraints and level stand in the `avcC` box, near the file's start."""
    with mp4.open("rb") as file:
        head = file.read(1024 * 1024)
    box = head.index(b"avcC")
    return f"avc1.{head[box + 5 : box + 8].hex()}" + (f",{_AAC_LC}" if audio else "")


def master_playlist(variants: Sequence[Variant]) -> str:
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for variant in variants:
        size = "x".join(map(str, variant.rendition.size))
        lines += [
            f"#EXT-X-STREAM-INF:BANDWIDTH={variant.peak_bps},AVERAGE-BANDWIDTH={variant.average_bps},"
            f'CODECS="{variant.codecs}",RESOLUTION={size},FRAME-RATE={float(variant.frame_rate):.3f}',
            variant.playlist.rpartition("/")[2],
        ]
    return "\n".join([*lines, ""])
