"""A worker's directory for temporary files: gone at its end, and after a kill at the next start."""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from chassis.telemetry import logger

_LOCK = "lock"
_MOST_FILES = 1000

log = logger(__name__)


@asynccontextmanager
async def open_workspace(root: Path) -> AsyncIterator[Path]:
    """`worker_directory` as a part of a process."""
    with worker_directory(root) as directory:
        yield directory


@contextmanager
def worker_directory(root: Path) -> Iterator[Path]:
    """A directory below `root` that this process has for itself.

    It holds a lock that the kernel drops with the process; a directory whose lock is free belongs to nobody any more
    and is removed first.
    """
    root.mkdir(parents=True, exist_ok=True)
    # Two workers that start at once clean and make one after the other: a directory never stands there unlocked.
    with (root / _LOCK).open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        for left in root.glob("worker-*"):
            if not _is_in_use(left):
                shutil.rmtree(left, ignore_errors=True)
                log.info("orphaned_directory_removed", directory=str(left))
        directory = Path(tempfile.mkdtemp(prefix="worker-", dir=root))
        lock = (directory / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        lock.close()


class NotPlain(Exception):
    """A directory holds what a run does not make: something else than files and directories, or far too many."""


def used_bytes(directory: Path) -> int:
    """The space that files take in a directory. Raises NotPlain.

    A confined program that was taken over may leave links that lead out of its directory; whoever opens what it left
    must have looked here first, after its end.
    """
    used, left = 0, _MOST_FILES
    unseen = [directory]
    while unseen:
        with os.scandir(unseen.pop()) as entries:
            for entry in entries:
                left -= 1
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # renamed meanwhile
                is_directory = stat.S_ISDIR(status.st_mode)
                is_file = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
                if left < 0 or not (is_directory or is_file):
                    raise NotPlain(f"{entry.name[:64]!r} is no plain file, or one too many")
                if is_directory:
                    unseen.append(Path(entry.path))
                used += status.st_blocks * 512
    return used


@contextmanager
def scratch_directory(workspace: Path) -> Iterator[Path]:
    """A directory for one run, removed with all that is in it at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="run-", dir=workspace, ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _is_in_use(directory: Path) -> bool:
    try:
        with (directory / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
