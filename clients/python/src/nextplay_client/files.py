"""What a file is before it is read in parts, some of them twice."""

import errno
import os
import stat
from pathlib import Path


class FileChanged(OSError):
    """The file was written to while it was uploaded: what was sent of it is neither the old nor the new."""


def facts(path: Path) -> os.stat_result:
    """Size and time of change. Raises OSError, also for pipes and devices, which have no size to cut into parts."""
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # a folder is named as one when it is opened
        raise OSError(errno.ESPIPE, "Not a file, but a pipe or a device", str(path))
    return found


def must_be_as_before(path: Path, before: os.stat_result) -> None:
    """Raises FileChanged where the file was written to meanwhile."""
    now = path.stat()
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise FileChanged(f"{path} was changed while it was uploaded; upload it again when it is written")
