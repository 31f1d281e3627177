"""Temporary files of a worker: bounded to its life, and cleared away after a kill."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from services.media.workspace import scratch_directory, worker_directory

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
