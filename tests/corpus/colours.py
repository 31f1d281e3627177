"""Standard dynamic range in all its encodings: range, matrix, depth, subsampling, interlacing."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import AAC, H264, HEVC, TO_BT709, picture, record, sound, told

_NOTHING = told("unknown", "unknown", "unknown", "unknown")


def clips() -> Iterator[Clip]:
    ntsc, pal = "smpte170m", "bt470bg"
    yield Clip("bt601", lambda path: _samples(path, ntsc, "tv", told(matrix=ntsc)))
    yield Clip("bt601-full-range", lambda path: _samples(path, ntsc, "pc", told("pc", matrix=ntsc)))
    yield Clip("bt601-pal", lambda path: _samples(path, pal, "tv", told(matrix=pal)))
    yield Clip("bt709-full-range", lambda path: _samples(path, "bt709", "pc", told("pc")))
    yield Clip("untagged-small", lambda path: _samples(path, ntsc, "tv", _NOTHING))
    large = (1280, 240)
    yield Clip("untagged-large", lambda path: _samples(path, "bt709", "tv", _NOTHING, size=large), size=large)
    for pixels in ("yuv420p10le", "yuv422p", "yuv422p10le", "yuv444p"):
        yield Clip(f"h264-{pixels}", lambda path, pixels=pixels: record(path, "-pix_fmt", pixels))
    for pixels in ("yuv420p10le", "yuv422p10le", "yuv420p12le"):
        yield Clip(f"hevc-{pixels}", lambda path, pixels=pixels: record(path, *HEVC, "-pix_fmt", pixels))
    yield Clip("h264-rgb", _rgb)
    for order, flag in (("top", "tff"), ("bottom", "bff")):
        make = lambda path, order=order, flag=flag: interlaced(path, order, flag)  # noqa: E731
        yield Clip(f"interlaced-{order}", make, rate=25, size=(480, 360))


def interlaced(path: Path, order: str, flag: str) -> None:
    """Two fields of different moments in each frame; a bar that moves fast shows teeth where they are left together."""
    bar = "drawbox=x='mod(t*400,240)+120':y=140:w=16:h=80:t=fill:c=0x303030"
    scene = f"{picture((480, 360), rate='50')},{bar},{TO_BT709},format=yuv420p,tinterlace=interleave_{order},{told()}"
    record(path, "-flags", "+ilme+ildct", "-x264-params", f"{flag}=1", scene=scene)


def _samples(path: Path, matrix: str, span: str, words: str, *, size: tuple[int, int] = (320, 180)) -> None:
    record(path, scene=f"{picture(size)},scale=out_color_matrix={matrix}:out_range={span},format=yuv420p,{words}")


def _rgb(path: Path) -> None:
    """Screen recorders write it."""
    ffmpeg(
        *("-f", "lavfi", "-i", f"{picture()},format=gbrp", "-f", "lavfi", "-i", sound(), *H264, *AAC),
        *("-c:v", "libx264rgb", "-pix_fmt", "rgb24", path),
    )
