"""What the tables of a movie tell of its tracks."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from nextplay_client.preflight.boxes import NotUnderstood, find, first, unpack

TOLERANCE_SECONDS = Fraction(1, 4)
"""By so much may edits promise more than there is."""


@dataclass(frozen=True)
class Track:
    """A track: its id, what handles it, the formats of its samples, and for how long it is shown.

    `seconds` is None where the tables do not tell surely, and at most `slack` too much. `ticks` is what the samples in
    the tables last, `scale` how many ticks a second has. `size` is width and height in pixels, of a video track.
    """

    id: int
    handler: bytes
    formats: tuple[bytes, ...]
    seconds: Fraction | None
    ticks: int
    scale: int
    size: tuple[int, int] | None
    slack: Fraction = Fraction(0)


def tracks(movie: bytes) -> list[Track]:
    """The tracks of a `moov`. Raises NotUnderstood."""
    (scale,) = unpack(">I", *_after_times(first(movie, b"mvhd")))
    return [_track(track, scale) for track in find(movie, b"trak")]


def has_fragments(movie: bytes) -> bool:
    """Whether fragments may follow, which tell more of the samples than the movie does."""
    return next(find(movie, b"mvex"), None) is not None


def _track(track: bytes, movie_scale: int) -> Track:
    (track_id,) = unpack(">I", *_after_times(first(track, b"tkhd")))
    (scale,) = unpack(">I", *_after_times(first(track, b"mdia", b"mdhd")))
    handler = first(track, b"mdia", b"hdlr")[8:12]
    entries = list(_sample_entries(first(track, b"mdia", b"minf", b"stbl", b"stsd")))
    formats = tuple(_format(kind, body) for kind, body in entries)
    size = unpack(">HH", entries[0][1], 24) if handler == b"vide" and entries else None
    steps = first(track, b"mdia", b"minf", b"stbl", b"stts")
    ticks = sum(count * step for count, step in struct.iter_unpack(">II", steps[8 : len(steps) // 8 * 8]))
    seconds = _shown(track, movie_scale, Fraction(ticks, scale)) if movie_scale and scale else None
    return Track(track_id, handler, formats, seconds, ticks, scale, (size[0], size[1]) if size else None)


def _shown(track: bytes, movie_scale: int, samples: Fraction) -> Fraction | None:
    """The presentation span: the edits that show something, or where there are none what the samples last."""
    edits = sum(duration for table in find(track, b"edts", b"elst") for duration in _edits(table))
    shown = Fraction(edits, movie_scale) or samples
    # Edits that promise more than there is do not count, and what does only a demuxer knows.
    return shown if samples and shown <= samples + TOLERANCE_SECONDS else None


def _edits(table: bytes) -> Iterator[int]:
    """The durations of the edits that show something, in the movie's ticks."""
    (version,) = unpack(">B", table)
    entry = struct.Struct(">QqI" if version else ">IiI")
    whole = max(0, (len(table) - 8) // entry.size * entry.size)
    return (duration for duration, time, _ in entry.iter_unpack(table[8 : 8 + whole]) if time >= 0)


def _after_times(body: bytes) -> tuple[bytes, int]:
    """Where the number is that follows the two times of a header: a time scale, or a track's id."""
    (version,) = unpack(">B", body)
    return body, 20 if version else 12


def _sample_entries(descriptions: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(descriptions):
        length, kind = unpack(">I", descriptions, at)[0], descriptions[at + 4 : at + 8]
        if length < 8:
            raise NotUnderstood
        yield kind, descriptions[at + 8 : at + length]
        at += length


def _format(kind: bytes, body: bytes) -> bytes:
    """The four letters that name a codec; of `mp4v`, which may be any, its number in MPEG-4's registry as well."""
    if kind != b"mp4v":
        return kind
    described = next(find(body[78:], b"esds"), b"")
    return kind + _object_type(described[4:])


def _object_type(descriptor: bytes) -> bytes:
    """The object type of a decoder configuration (ISO/IEC 14496-1); nothing where none is found."""
    at, tag, skipped = 0, None, {3: 3, 4: 0}
    while at < len(descriptor) and tag != 4:
        tag = descriptor[at]
        if tag not in skipped:
            return b""
        at += 1
        while at < len(descriptor) and descriptor[at] & 0x80:
            at += 1
        at += 1 + skipped[tag]
    return descriptor[at : at + 1]
