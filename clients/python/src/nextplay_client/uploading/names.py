"""What a file's name tells the platform."""

import mimetypes
import re
from pathlib import Path

from nextplay_client.errors import PreflightRefused

CONTENT_TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".qt": "video/quicktime"}
UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and bytes of a name that are no text."""


def filename(path: Path) -> str:
    """The file's name as text that the platform takes: `_` in place of what is none."""
    return UNSPEAKABLE.sub("_", path.name)


def content_type(path: Path) -> str:
    """What the name says that the file is. Raises PreflightRefused where it says nothing."""
    guessed = CONTENT_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    if guessed is None:
        action = "Name it so, or say what it is: video/mp4 or video/quicktime (content_type, --content-type)."
        raise PreflightRefused("UNSUPPORTED_CONTENT_TYPE", f"the name {filename(path)}", "needs .mp4 or .mov", action)
    return guessed
