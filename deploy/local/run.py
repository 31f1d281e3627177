"""`make run`: the whole platform, one clip through all of it, until Ctrl-C."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from deploy.local import control
from deploy.local.clip import SAMPLE, sample_clip
from deploy.local.control import Message
from deploy.local.demo import demo
from deploy.local.home import Trouble, supervisor_pid
from deploy.local.lifecycle import start, stop, wait_until_ready
from deploy.local.shape import LEAST, Shape
from deploy.local.terminal import console, relative, show_addresses, start_progress

CLIP_SUFFIXES = (".mp4", ".mov")
MAX_CLIP_BYTES = 157_286_400
"""What the upload service takes."""


def run(home: Path, clip: Path | None, shape: Shape) -> None:
    """Starts the platform, takes the clip through it, and stays up until Ctrl-C; without a terminal it stops at once.
    Whatever happens, everything that was started is stopped."""
    file = _clip(clip)
    if supervisor_pid(home) is not None:
        raise Trouble(already_runs(control.ask(home, "status")))
    with _running(home, shape) as addresses:
        demo(addresses, file)
        console.print()
        show_addresses(home, addresses)
        if sys.stdin.isatty() and sys.stdout.isatty():
            console.print("\nThe platform stays up until Ctrl-C. Meanwhile, `make demo CLIP=file` takes another clip.")
            _until_interrupted(home)


def demonstrate(home: Path, clip: Path | None) -> None:
    """Takes the clip through the platform that runs, or through a temporary one."""
    file = _clip(clip)
    if supervisor_pid(home) is not None:
        if not control.ask(home, "status")["platform"]:
            raise Trouble(f"In {relative(home)} the infrastructure runs without services; add them with `make up`.")
        with start_progress() as progress:
            status = wait_until_ready(home, progress)
        demo(status["stack"], file)
        return
    with tempfile.TemporaryDirectory(prefix="nextplay-demo-") as directory, _running(Path(directory)) as addresses:
        demo(addresses, file)


def already_runs(status: Message) -> str:
    """Says where a platform runs, and how to use or stop it."""
    since = datetime.fromtimestamp(status["started_at"]).astimezone()
    where = f" at {status['stack']['gateway']}" if status["stack"]["gateway"] else ""
    return (
        f"The platform is already running{where} (process {status['pid']}, since {since:%H:%M:%S}). "
        "Take a clip through it with `make demo`, or stop it with `make down`."
    )


@contextmanager
def _running(home: Path, shape: Shape = LEAST) -> Iterator[Message]:
    """A platform that lives as long as the block, and no longer than this process."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        with start_progress() as progress:
            status = start(home, shape=shape, with_parent=True, progress=progress)
        yield status["stack"]
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # stopping takes some seconds and is not to be cut short
        if supervisor_pid(home) is not None:
            console.print("Stopping the platform; its addresses end with it. `make up` starts one that stays.")
            stop(home)


def _until_interrupted(home: Path) -> None:
    try:
        while supervisor_pid(home) is not None:
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print()
        return
    raise Trouble(f"The platform ended; read {relative(home / 'logs' / 'supervisor.log')}.")


def _interrupted(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _clip(clip: Path | None) -> Path:
    if clip is None:
        if not SAMPLE.exists():
            console.print("Making the sample clip ...")
        return sample_clip()
    if not clip.is_file():
        raise Trouble(f"The clip {clip} does not exist or is not a file.")
    if clip.suffix.lower() not in CLIP_SUFFIXES:
        raise Trouble(
            f"The clip {clip} ends with {clip.suffix or 'no suffix'}; it must be {' or '.join(CLIP_SUFFIXES)}."
        )
    if not 1 <= clip.stat().st_size <= MAX_CLIP_BYTES:
        raise Trouble(f"The clip {clip} has {clip.stat().st_size} bytes; 1 to {MAX_CLIP_BYTES} bytes are allowed.")
    return clip.resolve()
