"""What a file is before it is read in parts, some of them twice."""

import errno
import os
import stat
from pathlib import Path


def facts(path: Path) -> os.stat_result:
    """Size and time of change. Raises OSError, also for pipes and devices, which have no size to cut into parts."""
    found = path.stat()
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):  # a folder is named as one when it is opened
        raise OSError(errno.ESPIPE, "Not a file, but a pipe or a device", str(path))
    return found


def must_be_as_before(path: Path, before: os.stat_result) -> None:
    """Raises OSError where the file was written to meanwhile: what was sent of it is neither the old nor the new."""
    now = path.stat()
    if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise OSError(f"{path} was changed while it was uploaded; upload it again when it is written")
