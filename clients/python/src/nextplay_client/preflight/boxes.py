"""The boxes of ISO/IEC 14496-12, of which MP4 and QuickTime files consist."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_BOXES = 10_000
"""At the top of a file; one with more is left to the platform."""


class NotUnderstood(Exception):
    """The boxes make no sense; the platform may see more in them than we do."""


@dataclass(frozen=True)
class Box:
    """A box of a file: its kind, and where its body lies."""

    kind: bytes
    body: int
    end: int


def top_boxes(file: BinaryIO, size: int) -> Iterator[Box]:
    """The boxes at the top of a file, the last of which may reach beyond its end. Raises NotUnderstood and OSError."""
    at = 0
    for _ in range(MOST_BOXES):
        if at >= size:
            return
        file.seek(at)
        length, kind, header = _header(file.read(16))
        end = at + length if length else size
        yield Box(kind, at + header, end)
        at = end
    raise NotUnderstood


def read(file: BinaryIO, box: Box, most_bytes: int) -> bytes:
    """A box's body. Raises NotUnderstood where it is too long, or not all there."""
    length = box.end - box.body
    if length > most_bytes:
        raise NotUnderstood
    file.seek(box.body)
    body = file.read(length)
    if len(body) < length:
        raise NotUnderstood
    return body


def find(body: bytes, wanted: bytes, *below: bytes) -> Iterator[bytes]:
    """The bodies of the boxes at a path below a body. Raises NotUnderstood."""
    at = 0
    while at + 8 <= len(body):
        length, kind, header = _header(body[at : at + 16])
        end = at + length if length else len(body)
        if kind == wanted:
            found = body[at + header : end]
            yield from find(found, *below) if below else (found,)
        at = end


def first(body: bytes, wanted: bytes, *below: bytes) -> bytes:
    """The first of them. Raises NotUnderstood where there is none."""
    found = next(find(body, wanted, *below), None)
    if found is None:
        raise NotUnderstood
    return found


def unpack(layout: str, body: bytes, offset: int = 0) -> tuple[int, ...]:
    """Numbers in a body. Raises NotUnderstood where it is too short."""
    try:
        return struct.unpack_from(layout, body, offset)
    except struct.error:
        raise NotUnderstood from None


def _header(head: bytes) -> tuple[int, bytes, int]:
    """The length of a box (0: to the end), its kind, and the length of what says so."""
    (length,) = unpack(">I", head)
    kind = head[4:8]
    if length == 1:
        (longer,) = unpack(">Q", head, 8)
        return max(16, longer), kind, 16
    return (max(8, length) if length else 0), kind, 8
