"""What changes on the way, as in recordings that were joined without encoding them anew: size, range, sound."""

import struct
from collections.abc import Iterator
from pathlib import Path

from tests.corpus import boxes
from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import AAC, FLASHES, H264, picture, record, sound, told

# Codec, and layout and samples a second of each half.
_SOUNDS = {
    "sound-gets-surround": ("ac3", ("stereo", 48_000), ("5.1", 48_000)),
    "sound-loses-surround": ("ac3", ("5.1", 48_000), ("stereo", 48_000)),
    "sound-gets-stereo": ("aac", ("mono", 48_000), ("stereo", 48_000)),
    "sound-rate-changes": ("libmp3lame", ("stereo", 48_000), ("stereo", 44_100)),
}
_HALF = 1.6
_SMALL, _LARGE = (320, 180), (480, 270)


def clips() -> Iterator[Clip]:
    """Of few frames a second, so that one that is late is far from its beep."""
    sizes = (_SMALL, "tv"), (_LARGE, "tv"), (_SMALL, "tv")
    yield Clip("size-changes", lambda path: _joined(path, *sizes), rate=10)
    ranges = (_SMALL, "tv"), (_SMALL, "pc"), (_SMALL, "tv")
    yield Clip("range-changes", lambda path: _joined(path, *ranges), rate=10)
    flashes = (*FLASHES, *(_HALF + at for at in FLASHES))
    for name, (codec, *halves) in _SOUNDS.items():
        make = lambda path, codec=codec, halves=halves: _halves(path, codec, *halves)  # noqa: E731
        channels = 1 if halves[0][0] == "mono" else 2
        beep = 0.475 if codec == "libmp3lame" else 0.5
        yield Clip(name, make, seconds=2 * _HALF, flashes=flashes, channels=channels, beep=beep)


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


def _halves(path: Path, codec: str, *halves: tuple[str, int]) -> None:
    """The scene twice, each time with sound of its own."""
    parts = [path.with_name(f"{number}-{path.name}") for number in range(len(halves))]
    for part, (layout, rate) in zip(parts, halves, strict=True):
        # The delay of an MP3 encoder (32 ms with what fills its last frame) is told of the first half only.
        late = 0.032 if rate == 44_100 else 0
        beeps = [at - late for at in FLASHES]
        sounds = sound(seconds=_HALF, layout="stereo" if layout == "5.1" else layout, rate=rate, beeps=beeps)
        # Of six channels only the front ones speak, which become stereo as they are. Two add up where one is kept.
        sounds += ",pan=5.1|c0=c0|c1=c1" if layout == "5.1" else ""
        sounds += ",volume=0.7071" if (halves[0][0], layout) == ("mono", "stereo") else ""
        record(part, "-c:a", codec, "-bf", "0", scene=picture(seconds=_HALF), sounds=sounds)
    listed = path.with_name(f"{path.name}.txt")
    listed.write_text("".join(f"file '{part.resolve()}'\n" for part in parts))
    ffmpeg("-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", path)
    for made in (*parts, listed):
        made.unlink()
    if codec == "libmp3lame":
        path.write_bytes(
            boxes.edit(path.read_bytes(), [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], _retimed, track=1)
        )


def _retimed(table: bytes) -> bytes:
    """The packets' true durations, where FFmpeg wrote the first half's for both: 1.608 s of 48 kHz, then 44.1 kHz."""
    packets = sum(count for count, _ in struct.iter_unpack(">II", table[8:]))
    first = round(1.608 / 0.024)
    return struct.pack(">6I", 0, 2, first, 1152, packets - first, round(1152 * 48_000 / 44_100))
