"""The parts of a file, read piece by piece."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nextplay_client.files import FileChanged

PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """A slice of the file: its number from 1, its offset and its length in bytes."""

    number: int
    offset: int
    length: int


def cut(total_bytes: int, part_bytes: int) -> list[Part]:
    """The parts of a file: all `part_bytes` long but the last."""
    return [
        Part(number, offset, min(part_bytes, total_bytes - offset))
        for number, offset in enumerate(range(0, total_bytes, part_bytes), start=1)
    ]


def checksum(path: Path, part: Part) -> str:
    """The SHA-256 of a part as it is in the file now, base64. Raises OSError."""
    digest = hashlib.sha256()
    for piece in pieces(path, part):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def pieces(path: Path, part: Part) -> Iterator[bytes]:
    """The bytes of a part, 1 MiB at a time. Raises FileChanged where the file became shorter."""
    with path.open("rb", buffering=0) as file:
        file.seek(part.offset)
        left = part.length
        while left:
            piece = file.read(min(PIECE_BYTES, left))
            if not piece:
                raise FileChanged(f"{path} became shorter while it was uploaded; upload it again when it is written")
            yield piece
            left -= len(piece)
