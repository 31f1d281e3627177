"""Upload and processing as they happen: bars on a terminal, plain lines elsewhere, nothing for programs."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from nextplay_client import UploadProgress
from nextplay_client.cli.output import Output
from nextplay_client.cli.words import count, megabytes, whole
from nextplay_client.types import Status

WINDOW_SECONDS = 10.0


class Shown(Protocol):
    """Where progress is told, by the name of the file or video."""

    def uploaded(self, name: str, progress: UploadProgress) -> None:
        """The upload got further."""

    def moved(self, name: str, status: Status) -> None:
        """The video's status or progress changed."""


@contextmanager
def shown(out: Output) -> Iterator[Shown]:
    """Progress on standard error for as long as the block runs."""
    if out.notes.is_terminal and not out.as_json:
        with _bars(out.notes) as progress:
            yield Bars(progress)
    else:
        yield Lines(out.note)


class Pace:
    """Bytes a second over the last seconds; what was there at the beginning was not sent now and does not count."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, sent_bytes: int) -> float | None:
        """The rate now that so many bytes are sent; None while it is not known."""
        now = self._clock()
        self._seen.append((now, sent_bytes))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW_SECONDS:
            self._seen.popleft()
        began, before = self._seen[0]
        return (sent_bytes - before) / (now - began) if now - began > 0.2 and sent_bytes > before else None


class Bars:
    """A live bar for each upload, and one for each video that is processed."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._paces: dict[str, Pace] = {}

    def uploaded(self, name: str, progress: UploadProgress) -> None:
        """Move the upload's bar."""
        note = upload_note(progress, self._paces.setdefault(progress.upload_id, Pace()))
        self._move("upload", progress.upload_id, name, progress.sent_bytes, progress.total_bytes, note)

    def moved(self, name: str, status: Status) -> None:
        """Move the video's bar."""
        self._move("process", status["video_id"], name, status["progress"], 100, status_note(status))

    def _move(self, what: str, of: str, name: str, completed: float, total: float, note: str) -> None:
        if of not in self._tasks:
            self._tasks[of] = self._progress.add_task(f"{what:8}", name=name, total=total, note="")
        self._progress.update(self._tasks[of], completed=completed, total=total, note=note)


class Lines:
    """A line for each tenth of an upload, and one for each change of a status or tenth of the processing."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._tenths: dict[str, int] = {}
        self._steps: dict[str, tuple[str, int]] = {}
        self._paces: dict[str, Pace] = {}

    def uploaded(self, name: str, progress: UploadProgress) -> None:
        """Tell a tenth, once: what is sent again moves back."""
        of = progress.upload_id
        note = upload_note(progress, self._paces.setdefault(of, Pace()))
        tenth = progress.sent_bytes * 10 // max(1, progress.total_bytes)
        if tenth > self._tenths.get(of, -1):
            self._tenths[of] = tenth
            self._say(f"upload   {name}  {tenth * 10:3} %  {note}")

    def moved(self, name: str, status: Status) -> None:
        """Tell a change."""
        of, tenth = status["video_id"], status["progress"] // 10
        if self._steps.get(of) != (status["status"], tenth):
            self._steps[of] = (status["status"], tenth)
            self._say(f"process  {name}  {tenth * 10:3} %  {status_note(status)}")


def upload_note(progress: UploadProgress, pace: Pace) -> str:
    """`11.5 MB of 23.0 MB, 4.20 MB/s, 3 s left`."""
    rate = pace.rate(progress.sent_bytes)
    note = f"{megabytes(progress.sent_bytes)} of {megabytes(progress.total_bytes)}"
    if progress.resumed_bytes:
        note += f" ({megabytes(progress.resumed_bytes)} were there)"
    left = progress.total_bytes - progress.sent_bytes
    if rate is None:
        return note
    return f"{note}, {megabytes(rate)}/s" + (f", {whole(left / rate)} left" if left else "")


def status_note(status: Status) -> str:
    """`PROCESSING, about 12 s left`, `UPLOADED, 3 before it`."""
    ahead, eta = status.get("queue_position", 0), status.get("eta_seconds", 0)
    before = f", {count(ahead, 'video')} before it" if ahead else ""
    return f"{status['status']}{before}" + (f", about {whole(eta)} left" if eta and not status["final"] else "")


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[note]}", markup=False),
        TextColumn("{task.fields[name]}", style="dim", markup=False),
        console=console,
        expand=False,
    )
