"""What a clip of the corpus is, and where its file is kept: made once for the text that makes it."""

import hashlib
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg

FFMPEG = Path(imageio_ffmpeg.get_ffmpeg_exe())
_HERE = Path(__file__).parent
_KEPT = _HERE.parent.parent / ".cache" / "corpus"
_DIGITS = 12


@dataclass(frozen=True)
class Clip:
    """How a file is made, and what must become of it.

    `size` and `rate` (frames per second) are of the top rendition, `seconds` of every one. `flashes` are when flashes
    begin on the output's clock, each with a beep unless `channels`, of the output's sound, is None. `beep` is how loud
    a beep is in the output, as amplitude; 0 if all is silence. `colours_within` is what a channel of a mark may be off
    by, of 255.
    """

    name: str
    make: Callable[[Path], None]
    size: tuple[int, int] = (320, 180)
    rate: float = 30
    seconds: float = 1.5
    flashes: tuple[float, ...] = (0.4, 1.0)
    channels: int | None = 2
    beep: float = 0.5
    colours_within: float = 12
    suffix: str = ".mp4"

    def __str__(self) -> str:
        return self.name

    def file(self) -> Path:
        """The clip's file; made when it is missing, whole or not at all."""
        path = _KEPT / f"{self.name}-{_text(self.make.__module__)}{self.suffix}"
        if not path.exists():
            _KEPT.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_name(f"unfinished-{path.name}")
            self.make(unfinished)
            for outdated in _KEPT.glob(f"{self.name}-{'?' * _DIGITS}.*"):
                outdated.unlink()
            unfinished.replace(path)
        return path


@cache
def _text(module: str) -> str:
    """Names the text that a clip is made by, and the FFmpeg."""
    text = hashlib.sha256(FFMPEG.name.encode())
    for name in (module.rpartition(".")[2], "scene", "boxes"):
        text.update((_HERE / f"{name}.py").read_bytes())
    return text.hexdigest()[:_DIGITS]


def ffmpeg(*arguments: str | Path, stdin: bytes = b"") -> None:
    """Run FFmpeg; its complaint is the test's failure."""
    command = [FFMPEG, "-hide_banner", "-loglevel", "error", "-y", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, input=stdin)
    assert done.returncode == 0, done.stderr.decode()
