"""Upload and transcode shown as they happen: bars on a terminal, plain lines elsewhere."""

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from nextplay_client import Client, UploadProgress
from nextplay_client.types import Completed, Status, Video, Visibility

MEGABYTE = 1_000_000


def follow_upload(
    client: Client, clip: Path, *, title: str, category: str, visibility: Visibility, publish: bool, quiet: bool = False
) -> Video:
    """Upload a clip, wait until it is READY and publish it if asked, showing progress on stderr; returns the video.

    Raises what `Client.upload`, `Client.wait` and `Client.publish` raise.
    """
    console = Console(stderr=True, quiet=quiet)
    show = _Bars(console) if console.is_terminal else _Lines(quiet)
    with show:
        completed: Completed = client.upload(
            clip, title=title, category=category, visibility=visibility, on_progress=show.uploaded
        )
        client.wait(completed["video_id"], on_status=show.status)
        if publish:
            client.publish(completed["video_id"])
    return client.video(completed["video_id"])


class _Bars:
    """Two live bars."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
        )
        self._stages = Progress(
            TextColumn("{task.description:10}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
            console=console,
        )
        self._upload = self._progress.add_task("upload", total=None)
        self._transcode = self._stages.add_task("transcode", total=100, note="")
        self._uploading = True

    def __enter__(self) -> "_Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        self._stages.stop()

    def uploaded(self, progress: UploadProgress) -> None:
        self._progress.update(self._upload, completed=progress.sent_bytes, total=progress.total_bytes)

    def status(self, status: Status) -> None:
        if self._uploading:
            self._progress.stop()
            self._stages.start()
            self._uploading = False
        note = status["status"] + (f", about {status['eta_seconds']} s left" if status.get("eta_seconds") else "")
        self._stages.update(self._transcode, completed=status["progress"], note=note)


class _Lines:
    """A line for each tenth of the upload and each change of status or tenth of the transcode."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._last = ""

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def uploaded(self, progress: UploadProgress) -> None:
        tenth = progress.sent_bytes * 10 // max(1, progress.total_bytes)
        self._say(f"upload     {tenth * 10:3} % of {progress.total_bytes / MEGABYTE:.1f} MB")

    def status(self, status: Status) -> None:
        self._say(f"transcode  {status['progress'] // 10 * 10:3} %  {status['status']}")

    def _say(self, line: str) -> None:
        if line != self._last and not self._quiet:
            print(line, file=sys.stderr, flush=True)
        self._last = line
