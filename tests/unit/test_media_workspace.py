"""Temporary files of a worker: bounded to its life, and cleared away after a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.media.workspace import NotPlain, scratch_directory, used_bytes, worker_directory

HOLDER = """
import sys, time
from pathlib import Path
from services.media.workspace import worker_directory
with worker_directory(Path(sys.argv[1])) as directory:
    (directory / "half.mp4").write_bytes(b"half")
    print(directory, flush=True)
    time.sleep(600)
"""


def test_a_worker_leaves_nothing_behind(tmp_path: Path) -> None:
    with worker_directory(tmp_path) as directory, scratch_directory(directory) as run:
        (run / "input").write_bytes(b"clip")
    assert list(tmp_path.glob("worker-*")) == []


def test_a_run_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    try:
        with scratch_directory(tmp_path) as run:
            (run / "input").write_bytes(b"clip")
            raise OSError("the disk is full")
    except OSError:
        assert list(tmp_path.iterdir()) == []


def test_the_next_worker_removes_what_a_killed_one_left_and_no_living_ones(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()) as holder:
        assert holder.stdout
        theirs = Path(holder.stdout.readline().strip())
        try:
            with worker_directory(tmp_path):
                assert (theirs / "half.mp4").exists()
        finally:
            holder.send_signal(signal.SIGKILL)
    with worker_directory(tmp_path) as mine:
        assert list(tmp_path.glob("worker-*")) == [mine]


def test_the_space_of_files_is_counted_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "renditions" / "720p").mkdir(parents=True)
    for path in ("input", "renditions/720p/video.mp4"):
        (tmp_path / path).write_bytes(os.urandom(100_000))
    assert 200_000 <= used_bytes(tmp_path) < 300_000


@pytest.mark.parametrize("what", ["link", "hard link", "link to a directory", "pipe", "crowd", "crowd of directories"])
def test_what_no_run_makes_is_found_before_anybody_opens_it(what: str, tmp_path: Path) -> None:
    secret, run = tmp_path / "secret", tmp_path / "run"
    secret.write_text("very secret")
    (run / "renditions").mkdir(parents=True)
    left = run / "renditions" / "video.mp4"
    match what:
        case "link":
            left.symlink_to(secret)
        case "hard link":
            left.hardlink_to(secret)
        case "link to a directory":
            left.symlink_to(tmp_path)
        case "pipe":
            os.mkfifo(left)
        case "crowd":
            for number in range(1001):
                (run / str(number)).touch()
        case "crowd of directories":
            for number in range(1001):
                (run / str(number)).mkdir()
    with pytest.raises(NotPlain):
        used_bytes(run)
