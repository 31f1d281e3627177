"""How long the fragments of a movie last."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import BinaryIO

from nextplay_client.preflight.boxes import Box, NotUnderstood, find, first, read, unpack
from nextplay_client.preflight.tracks import TOLERANCE_SECONDS, Track

MOST_BYTES = 16 * 1024 * 1024
"""Of one `moof`."""
MOST_SAMPLES = 1_000_000
"""Of one run."""


@dataclass
class Span:
    """The samples of a track in the order of the file, in its ticks."""

    total: int = 0
    begin: int | None = None
    end: int = 0

    def add(self, start: int | None, ticks: int) -> None:
        """Samples of one run, from the time that the file tells, or after those before."""
        at = self.end if start is None else start
        self.begin = at if self.begin is None else self.begin
        self.end = at + ticks
        self.total += ticks


def fragmented(file: BinaryIO, movie: bytes, boxes: list[Box], tracks: list[Track]) -> list[Track]:
    """The tracks with the time that their fragments last, after what the movie's own tables list. Raises NotUnderstood
    and OSError.
    """
    usual = {unpack(">I", body, 4)[0]: unpack(">I", body, 12)[0] for body in find(movie, b"mvex", b"trex")}
    spans = {track.id: Span() for track in tracks}
    for box in boxes:
        if box.kind == b"moof":
            for fragment in find(read(file, box, MOST_BYTES), b"traf"):
                track_id, step = _header(first(fragment, b"tfhd"))
                if track_id in spans:
                    _add(spans[track_id], fragment, usual.get(track_id, 0) if step is None else step)
    return [_lasting(track, spans[track.id]) for track in tracks]


def _lasting(track: Track, span: Span) -> Track:
    """A demuxer may see a little less than fragments say, and what the tables before them list is not proven."""
    if not track.scale:
        return replace(track, seconds=None)
    fragments = Fraction(min(span.total, span.end - (span.begin or 0)), track.scale)
    before = Fraction(track.ticks, track.scale)
    return replace(track, seconds=before + fragments, slack=before + TOLERANCE_SECONDS)


def _header(body: bytes) -> tuple[int, int | None]:
    """The track of a fragment, and how long its samples usually last, where it says so."""
    flags, track_id = unpack(">II", body)
    at = 8 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
    return track_id, unpack(">I", body, at)[0] if flags & 0x8 else None


def _add(span: Span, fragment: bytes, usual: int) -> None:
    told = next(find(fragment, b"tfdt"), None)
    start = None if told is None else unpack(">Q" if told[:1] == b"\x01" else ">I", told, 4)[0]
    for run in find(fragment, b"trun"):
        span.add(start, sum(_steps(run, usual)))
        start = None


def _steps(run: bytes, usual: int) -> Iterator[int]:
    """How long each sample of a run lasts."""
    flags, count = unpack(">II", run)
    if count > MOST_SAMPLES:
        raise NotUnderstood
    at = 8 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
    width = sum(4 for flag in (0x100, 0x200, 0x400, 0x800) if flags & flag)
    for number in range(count):
        yield unpack(">I", run, at + number * width)[0] if flags & 0x100 else usual
