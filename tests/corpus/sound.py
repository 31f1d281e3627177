"""Sound in all its forms, and without any."""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.corpus import boxes
from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import FLASHES, picture, record, sound

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
    # AAC has no number for this layout: the sample entry says nothing of its channels.
    yield Clip("surround-of-no-number", lambda path: record(path, sounds=_only("5.1(side)", 2)), beep=_CENTRE)
    yield Clip("ambisonics", _ambisonics)
    yield Clip("sound-with-a-gap", _with_a_gap)
    yield Clip("sound-drifts", _drifts, seconds=22.0, flashes=(0.4, 21.0))
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
    channels = {"5.1": 6, "5.1(side)": 6, "7.1": 8}[layout]
    gains = "|".join(f"c{number}={'c0' if number == channel else '0*c0'}" for number in range(channels))
    return f"{sound(layout='mono')},pan={layout}|{gains}"


def _ambisonics(path: Path) -> None:
    """As of a camera that sees all around: the beeps come from the front."""
    channels = "pan=quad|c0=c0|c1=0*c0|c2=0*c0|c3=c0,channelmap=map=0|1|2|3:channel_layout=ambisonic 1"
    sounds = f"{sound(layout='mono')},{channels}"
    record(path, "-c:a", "libopus", "-mapping_family", "2", "-b:a", "256k", sounds=sounds)


def _with_a_gap(path: Path) -> None:
    """As of a recorder that lost some of the sound: a packet in the middle lasts 90 ms longer than its samples."""
    first, second = FLASHES
    record(path, sounds=sound(beeps=(first, second - 0.09)))
    _timed(path, lambda count: ((30, 1024), (1, 1024 + 4320), (count - 31, 1024)), seconds=1.5)


def _drifts(path: Path) -> None:
    """The sound's clock goes slower than the picture's: packets of 1024 samples come every 1028."""
    flashes = (0.4, 21.0)
    beeps = sound(seconds=22, beeps=[at * 1024 / 1028 for at in flashes])
    record(path, scene=picture(seconds=22, flashes=flashes), sounds=beeps)
    _timed(path, lambda count: ((count, 1028),), seconds=22)


def _timed(path: Path, runs: Callable[[int], Sequence[tuple[int, int]]], *, seconds: float) -> None:
    """Give the packets of the sound other durations: how many, and samples each, for how many there are."""

    def change(table: bytes) -> bytes:
        entries = runs(sum(count for count, _ in struct.iter_unpack(">II", table[8:])))
        return struct.pack(">II", 0, len(entries)) + b"".join(struct.pack(">II", *entry) for entry in entries)

    data = boxes.edit(path.read_bytes(), [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], change, track=1)
    path.write_bytes(boxes.edit_list(data, [(seconds, 0)], track=1))


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
