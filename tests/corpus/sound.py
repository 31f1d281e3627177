"""Sound in all its forms, and without any."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import record, sound

_MOV_CODECS = ("pcm_s16le", "pcm_s24be", "alac", "pcm_f32le", "pcm_f64le")
_MP4_CODECS = ("libmp3lame", "ac3", "eac3", "libopus", "flac", "alac")
_CENTRE = 0.5 * 0.5**0.5


def clips() -> Iterator[Clip]:
    yield Clip("no-sound", lambda path: record(path, mute=True), channels=None)
    yield Clip("mono", lambda path: record(path, sounds=sound(layout="mono")), channels=1)
    yield Clip("mono-22k", lambda path: record(path, sounds=sound(layout="mono", rate=22_050)), channels=1)
    for rate in (8_000, 22_050, 32_000, 44_100, 96_000):
        yield Clip(f"stereo-{rate}", lambda path, rate=rate: record(path, sounds=sound(rate=rate)))
    yield Clip("surround", lambda path: record(path, sounds=_only("5.1", 2)), beep=_CENTRE)
    yield Clip("surround-7.1", lambda path: record(path, sounds=_only("7.1", 2)), beep=_CENTRE)
    # The sum of all channels passes full scale, and is held below it.
    yield Clip("surround-loud", lambda path: record(path, sounds=sound(layout="5.1")), beep=0.77)
    yield Clip("surround-told-by-the-stream", _told_by_the_stream, beep=0.77)
    yield Clip("sound-longer", lambda path: record(path, sounds=sound(seconds=4, beeps=(0.4, 1.0, 2.5))))
    yield Clip("sound-shorter", lambda path: record(path, sounds=sound(seconds=1.2)))
    yield Clip("sound-late", lambda path: _late(path, "a"))
    yield Clip("sound-after-the-end", lambda path: _moved(path, 3), beep=0)
    yield Clip("sound-before-the-start", lambda path: _moved(path, -3), beep=0)
    yield Clip("picture-late", lambda path: _late(path, "v"), seconds=1.3, flashes=(0.2, 0.8))
    for codec in _MP4_CODECS:
        yield Clip(f"mp4-{codec}", lambda path, codec=codec: record(path, "-c:a", codec, "-strict", "-2"))
    for codec in _MOV_CODECS:
        yield Clip(f"mov-{codec}", lambda path, codec=codec: record(path, "-c:a", codec), suffix=".mov")


def _only(layout: str, channel: int) -> str:
    """Beeps in one channel only."""
    channels = {"5.1": 6, "7.1": 8}[layout]
    gains = "|".join(f"c{number}={'c0' if number == channel else '0*c0'}" for number in range(channels))
    return f"{sound(layout='mono')},pan={layout}|{gains}"


def _told_by_the_stream(path: Path) -> None:
    """A layout that AAC has no number for: the sample entry says nothing of its channels."""
    channels = "|".join(f"c{number}=c0" for number in range(6))
    record(path, sounds=f"{sound(layout='mono')},pan=5.1(side)|{channels}")


def _moved(path: Path, seconds: float) -> None:
    """The whole track is that much later than the picture."""
    whole = path.with_name(f"whole-{path.name}")
    record(whole, "-bf", "0")
    later = {"a": max(0.0, seconds), "v": max(0.0, -seconds)}
    ffmpeg(
        *("-itsoffset", str(later["v"]), "-i", whole, "-itsoffset", str(later["a"]), "-i", whole),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", path),
    )
    whole.unlink()


def _late(path: Path, kind: str) -> None:
    """The track lacks its first 0.2 s; where it begins says an empty edit."""
    whole = path.with_name(f"whole-{path.name}")
    record(whole, "-g", "1", "-bf", "0")
    other = {"a": "v", "v": "a"}[kind]
    ffmpeg(
        *("-i", whole, "-itsoffset", "0.2", "-ss", "0.2", "-i", whole),
        *("-map", f"0:{other}", "-map", f"1:{kind}", "-c", "copy", path),
    )
    whole.unlink()
