"""What changes on the way, as in recordings that were joined without encoding them anew: size, range."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import AAC, H264, picture, sound, told

_SMALL, _LARGE = (320, 180), (480, 270)


def clips() -> Iterator[Clip]:
    """Of few frames a second, so that one that is late is far from its beep."""
    sizes = (_SMALL, "tv"), (_LARGE, "tv"), (_SMALL, "tv")
    yield Clip("size-changes", lambda path: _joined(path, *sizes), rate=10)
    ranges = (_SMALL, "tv"), (_SMALL, "pc"), (_SMALL, "tv")
    yield Clip("range-changes", lambda path: _joined(path, *ranges), rate=10)


def _joined(path: Path, *parts: tuple[tuple[int, int], str]) -> None:
    """The scene with each half second in a size and a range of its own."""
    joined = b""
    for number, ((width, height), span) in enumerate(parts):
        part = path.with_name(f"{number}-{path.name}.h264")
        cut = f"trim=start={number / 2}:duration=0.5,setpts=PTS-STARTPTS"
        samples = f"scale={width}:{height}:out_color_matrix=bt709:out_range={span},format=yuv420p,{told(span)}"
        ffmpeg("-f", "lavfi", "-i", f"{picture(rate='10')},{cut},{samples}", *H264, "-bf", "0", part)
        joined += part.read_bytes()
        part.unlink()
    both = ("-f", "h264", "-framerate", "10", "-i", "-", "-f", "lavfi", "-i", sound())
    ffmpeg(*both, "-c:v", "copy", *AAC, path, stdin=joined)
