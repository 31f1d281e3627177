"""Reads and edits the boxes of MP4 files (ISO/IEC 14496-12) by hand, for what FFmpeg would not write."""

import struct
from collections.abc import Callable, Iterator, Sequence

ONE = 0x10000
_PARENTS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl"}


def edit(data: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes], *, track: int = 0) -> bytes:
    """The file with the body of the box at `path` changed; of several tracks the one with the number `track`.

    What stands behind a box that grows moves: the movie's box has to come last, as FFmpeg writes it.
    """
    first, *rest = path
    out, seen = [], -1
    for kind, body in boxes(data):
        seen += kind == b"trak"
        if kind == first and (kind != b"trak" or seen == track):
            body = edit(body, rest, change, track=track) if rest else change(body)
        out.append(struct.pack(">I4s", 8 + len(body), kind) + body)
    return b"".join(out)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a row, each with its body."""
    position = 0
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        yield kind, data[position + 8 : position + size]
        position += size


def within(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """All boxes, those in boxes too."""
    for kind, body in boxes(data):
        yield kind, body
        if kind in _PARENTS:
            yield from within(body)


def display_matrix(data: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """The file, of which the first track's point (x, y) is shown at (a·x + c·y, b·x + d·y)."""
    matrix = struct.pack(">9i", a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    return edit(data, [b"moov", b"trak", b"tkhd"], lambda body: body[:40] + matrix + body[76:])


def edit_list(data: bytes, edits: Sequence[tuple[float, float | None]], *, track: int = 0) -> bytes:
    """The file with the track's edits: how many seconds, and from which second of the track on (None: of nothing).

    The track's first second is where the edit list that it has begins.
    """
    movie, media = _scales(data, track)

    def change(old: bytes) -> bytes:
        (first,) = struct.unpack_from(">i", old, 12)
        times = [-1 if at is None else first + round(at * media) for _, at in edits]
        entries = [struct.pack(">IiI", round(s * movie), time, ONE) for (s, _), time in zip(edits, times, strict=True)]
        return struct.pack(">II", 0, len(edits)) + b"".join(entries)

    return edit(data, [b"moov", b"trak", b"edts", b"elst"], change, track=track)


def durations(data: bytes, seconds: float) -> bytes:
    """The file whose headers say that it, and its first track, last so long."""
    movie, media = _scales(data, 0)
    for path, place, scale in (
        ([b"moov", b"mvhd"], 16, movie),
        ([b"moov", b"trak", b"tkhd"], 20, movie),
        ([b"moov", b"trak", b"mdia", b"mdhd"], 16, media),
    ):
        told = struct.pack(">I", round(seconds * scale))
        data = edit(data, path, lambda body, place=place, told=told: body[:place] + told + body[place + 4 :])
    return data


def steps(data: bytes, *runs: tuple[int, float]) -> bytes:
    """The file whose first track's samples last so long, in runs: how many, and seconds each."""
    _, media = _scales(data, 0)
    entries = b"".join(struct.pack(">II", count, round(seconds * media)) for count, seconds in runs)
    table = struct.pack(">II", 0, len(runs)) + entries
    return edit(data, [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], lambda _: table)


def _scales(data: bytes, track: int) -> tuple[int, int]:
    """Ticks a second of the movie, and of a track."""
    kinds = (b"mvhd", b"mdhd")
    movie, *tracks = (struct.unpack_from(">I", body, 12)[0] for kind, body in within(data) if kind in kinds)
    return movie, tracks[track]
