"""Every way in which a picture may be stored other than it is shown."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus import boxes
from tests.corpus.clip import Clip
from tests.corpus.scene import picture, record

# The display matrix (a, b, c, d), and how a picture is stored that it shows upright.
_STORED = {
    "turned-90": ((0, 1, -1, 0), "transpose=cclock"),
    "turned-180": ((-1, 0, 0, -1), "hflip,vflip"),
    "turned-270": ((0, -1, 1, 0), "transpose=clock"),
    "mirrored": ((-1, 0, 0, 1), "hflip"),
    "upside-down": ((1, 0, 0, -1), "vflip"),
    "transposed": ((0, 1, 1, 0), "transpose=cclock_flip"),
    "transposed-otherwise": ((0, -1, -1, 0), "transpose=clock_flip"),
}


def clips() -> Iterator[Clip]:
    for name in _STORED:
        yield Clip(name, lambda path, name=name: _stored(path, name, (320, 180)))
    yield Clip("portrait-phone", lambda path: _stored(path, "turned-90", (180, 320)), size=(180, 320), suffix=".mov")


def _stored(path: Path, name: str, shown: tuple[int, int]) -> None:
    matrix, turn = _STORED[name]
    record(path, scene=f"{picture(shown)},{turn}")
    path.write_bytes(boxes.display_matrix(path.read_bytes(), *matrix))
