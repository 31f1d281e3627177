"""What a file's head tells, held against what the platform takes."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nextplay_client.errors import PreflightRefused
from nextplay_client.files import facts
from nextplay_client.preflight import codecs
from nextplay_client.preflight.boxes import Box, NotUnderstood, read, top_boxes
from nextplay_client.preflight.fragments import fragmented
from nextplay_client.preflight.tracks import Track, has_fragments, tracks

MOST_BYTES = 157_286_400
MOST_MILLISECONDS = 30_000
MOST_TABLE_BYTES = 32 * 1024 * 1024
# Boxes that a QuickTime or MP4 file may begin with.
FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp", b"moof", b"sidx"})
WITHOUT_TABLES = frozenset({b"ftyp", b"mdat", b"wide", b"free", b"skip", b"uuid"})
"""Boxes that tell of no track: a file of nothing else was not finished."""
OTHER_KINDS = {
    b"\x1a\x45\xdf\xa3": "WebM or Matroska",
    b"RIFF": "AVI",
    b"FLV\x01": "Flash video",
    b"\x00\x00\x01\xba": "MPEG",
    b"OggS": "Ogg",
    b"\x30\x26\xb2\x75": "Windows Media",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
}


@dataclass(frozen=True)
class Clip:
    """What a file's head tells of a clip; None where it does not tell surely.

    `duration_ms` is the video track's presentation span after edit lists, as the platform counts it. `codec` is a name
    for people: H.264, H.265, VP9. `width` and `height` are the stored picture's, in pixels.
    """

    size_bytes: int
    duration_ms: int | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None


def examine(path: str | Path) -> Clip:
    """Look at a file. Raises PreflightRefused where the platform would surely not take it, and OSError.

    Reads the container's tables alone, wherever in the file they are. What it does not understand it lets pass.
    """
    path = Path(path)
    size = facts(path).st_size
    if size > MOST_BYTES:
        limit = f"at most {MOST_BYTES:,} bytes (150 MB)"
        raise PreflightRefused("FILE_TOO_LARGE", f"{size:,} bytes", limit, "Trim or compress the clip.")
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] not in FIRST_BOXES:
            raise PreflightRefused("NOT_A_VIDEO", _kind(head), "needs MP4 or QuickTime", "Convert the clip to MP4.")
        try:
            return _judged(size, _shown(file, size))
        except NotUnderstood:
            return Clip(size)


def _shown(file: BinaryIO, size: int) -> list[Track]:
    """The tracks, with the time that they are shown. Raises PreflightRefused where there is none, and NotUnderstood."""
    boxes = list(top_boxes(file, size))
    movie = next((box for box in boxes if box.kind == b"moov"), None)
    if movie is None:
        raise _without_tables(boxes)
    tables = read(file, movie, MOST_TABLE_BYTES)
    found = tracks(tables)
    if not has_fragments(tables):
        return found
    return fragmented(file, tables, boxes, found)


def _without_tables(boxes: list[Box]) -> Exception:
    if {box.kind for box in boxes} <= WITHOUT_TABLES:
        action = "Record or export the clip again, or upload a whole copy of it."
        return PreflightRefused("CORRUPT", "no table of its frames", "needs the whole recording", action)
    return NotUnderstood()


def _judged(size: int, found: list[Track]) -> Clip:
    """The clip. Refused is what holds for all video tracks, whichever of them the platform would choose."""
    videos = [track for track in found if track.handler == b"vide"]
    if found and all(track.handler == b"soun" for track in found):
        raise PreflightRefused("NO_VIDEO_TRACK", "sound alone", "needs a video track", "Choose another file.")
    surely = [track.seconds - track.slack if track.seconds else 0 for track in videos]
    if surely and round(1000 * min(surely)) > MOST_MILLISECONDS:
        shortest = round(1000 * min(track.seconds for track in videos if track.seconds))
        limit = f"at most {MOST_MILLISECONDS // 1000} s"
        raise PreflightRefused("DURATION_TOO_LONG", _seconds(shortest), limit, "Trim the clip.")
    named = [codecs.name(format) for track in videos for format in track.formats]
    if named and all(name is not None and name not in codecs.TAKEN for name in named):
        action = "Export the clip as H.264."
        raise PreflightRefused("CODEC_UNSUPPORTED", str(named[0]), "needs H.264 or H.265", action)
    if len(videos) != 1:
        return Clip(size)
    (video,) = videos
    width, height = video.size or (None, None)
    duration = round(1000 * video.seconds) if video.seconds else None
    return Clip(size, duration, named[0] if named else None, width, height)


def _seconds(milliseconds: int) -> str:
    """In tenths, rounded up where the rest would look like what is allowed."""
    if milliseconds < MOST_MILLISECONDS + 100:
        return f"{milliseconds / 1000:.3f} s"
    return f"{milliseconds / 1000:.1f} s"


def _kind(head: bytes) -> str:
    if not head:
        return "an empty file"
    return next((name for magic, name in OTHER_KINDS.items() if head.startswith(magic)), "another kind of file")
