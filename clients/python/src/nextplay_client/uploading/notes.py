"""A note on this machine of an upload that is just being completed.

Until the answer to complete has come, nobody here knows whether the video is stored; and of uploads that are over the
platform lists none. Who is killed in between finds the upload by this note, instead of making a second video.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID


@dataclass(frozen=True)
class Note:
    """The note of one file's upload: a small file, or nothing where none can be written."""

    path: Path

    @classmethod
    def of(cls, gateway: str, fingerprint: str) -> "Note":
        """Where the note of this file is, in `$XDG_STATE_HOME/nextplay` or `~/.local/state/nextplay`."""
        named = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        name = hashlib.sha256(f"{gateway} {fingerprint}".encode()).hexdigest()
        return cls(Path(named, "nextplay", name).expanduser())

    def write(self, upload_id: str) -> None:
        """Note an upload."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.write_text(upload_id)

    def read(self) -> str | None:
        """The upload that was noted; None where what is there is no id, as after a loss of power."""
        try:
            return str(UUID(self.path.read_text()))
        except (OSError, ValueError):
            return None

    def remove(self) -> None:
        """Forget it."""
        with suppress(OSError):
            self.path.unlink()
