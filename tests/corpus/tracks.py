"""What a file may hold beside the picture and the sound that count."""

from collections.abc import Iterator
from pathlib import Path

from tests.corpus.clip import Clip, ffmpeg
from tests.corpus.scene import AAC, H264, TO_BT709, picture, record, sound, told

_SECRETS = (
    *("-metadata", "location=+48.1374+011.5755/", "-metadata", "com.apple.quicktime.model=SecretPhone"),
    *("-metadata", "title=My home", "-metadata", "creation_time=2026-01-02T03:04:05Z"),
    *("-metadata:s:v", "handler_name=SecretHandler", "-metadata:s:a", "title=SecretVoice"),
)


def clips() -> Iterator[Clip]:
    yield Clip("several-sounds", _several_sounds)
    yield Clip("unknown-sound-first", _unknown_sound_first)
    yield Clip("cover-words-and-timecode", _cover_words_and_timecode)
    secrets = lambda path: record(path, *_SECRETS, "-movflags", "use_metadata_tags")  # noqa: E731
    yield Clip("secrets", secrets)
    yield Clip("secrets-in-quicktime", secrets, suffix=".mov")


def _several_sounds(path: Path) -> None:
    """The default is the second: a stereo track after a silent one."""
    ffmpeg(
        *("-f", "lavfi", "-i", f"{picture()},{TO_BT709},format=yuv420p,{told()}", "-f", "lavfi", "-i", sound(beeps=())),
        *("-f", "lavfi", "-i", sound(), *H264, *AAC, "-map", "0", "-map", "1", "-map", "2"),
        *("-disposition:a:0", "0", "-disposition:a:1", "default", path),
    )


def _unknown_sound_first(path: Path) -> None:
    """Newer phones write a track in a codec that nobody else knows beside the AAC one."""
    _several_sounds(path)
    data = path.read_bytes()
    first = data.index(b"mp4a", data.index(b"moov"))
    path.write_bytes(data[:first] + b"apac" + data[first + 4 :])


def _cover_words_and_timecode(path: Path) -> None:
    clip, cover, words = (path.with_name(f"{path.name}.{kind}") for kind in ("clip.mp4", "png", "srt"))
    record(clip)
    ffmpeg("-f", "lavfi", "-i", picture((600, 600)), "-frames:v", "1", cover)
    words.write_text("1\n00:00:00,000 --> 00:00:01,400\nHello\n")
    ffmpeg(
        *("-i", cover, "-i", clip, "-i", words, "-map", "0", "-map", "1", "-map", "2", "-c", "copy"),
        *("-c:s", "mov_text", "-timecode", "01:00:00:00", "-disposition:v:0", "attached_pic", path),
    )
    for made in (clip, cover, words):
        made.unlink()
