"""Pictures of unusual shapes and pixels."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.corpus import boxes
from tests.corpus.clip import Clip
from tests.corpus.scene import picture, record

_444 = ("-pix_fmt", "yuv444p")


def clips() -> Iterator[Clip]:
    yield Clip("anamorphic", lambda path: record(path, scene=f"{picture()},scale=240:180,setsar=4/3"))
    yield Clip("tall-pixels", lambda path: record(path, scene=f"{picture()},scale=640:180,setsar=1/2"))
    yield Clip("anamorphic-turned", _anamorphic_turned, size=(180, 320))
    yield Clip("odd-size", lambda path: record(path, *_444, scene=picture((321, 181))))
    yield Clip("square", lambda path: record(path, scene=picture((500, 500))), size=(500, 500))
    yield Clip("portrait", lambda path: record(path, scene=picture((540, 960))), size=(540, 960))
    yield Clip("narrow", lambda path: record(path, scene=picture((16, 640))), size=(16, 640), colours_within=40)
    yield Clip("thumbnail-size", lambda path: record(path, scene=picture((48, 32))), size=(48, 32), colours_within=20)
    tiny = picture((2, 2), flashes=())
    yield Clip("tiny", lambda path: record(path, *_444, scene=tiny), size=(2, 2), flashes=(), colours_within=255)
    yield Clip("clean-aperture", _clean_aperture)


def _anamorphic_turned(path: Path) -> None:
    """The pixel aspect belongs to the stored picture, which lies on its side."""
    record(path, scene=f"{picture((180, 320))},transpose=cclock,scale=240:180,setsar=4/3")
    path.write_bytes(boxes.display_matrix(path.read_bytes(), 0, 1, -1, 0))


def _clean_aperture(path: Path) -> None:
    """A box that would cut 16 pixels from each side, which most players ignore."""
    record(path)
    aperture = struct.pack(">I4s8I", 40, b"clap", 288, 1, 180, 1, 0, 1, 0, 1)

    def add(body: bytes) -> bytes:
        """To the first sample entry, at its end."""
        size = struct.unpack_from(">I", body, 8)[0]
        return body[:8] + struct.pack(">I", size + len(aperture)) + body[12 : 8 + size] + aperture + body[8 + size :]

    path.write_bytes(boxes.edit(path.read_bytes(), [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"], add))
