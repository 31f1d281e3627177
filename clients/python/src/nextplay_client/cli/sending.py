"""Sending a clip and waiting for it, as `nextplay upload` does it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from nextplay_client import Client
from nextplay_client.cli.failures import CLIP_REFUSED
from nextplay_client.cli.progress import Shown
from nextplay_client.errors import NextPlayError
from nextplay_client.types import Visibility
from nextplay_client.uploading.names import filename


@dataclass(frozen=True)
class Wish:
    """What is to become of each clip; the title is the file's name where it is None."""

    title: str | None
    category: str
    description: str | None
    visibility: Visibility
    video_id: str | None
    content_type: str | None
    publish: bool
    check: bool


@dataclass(frozen=True)
class Sent:
    """What became of one clip: its video once it is stored, and what went wrong."""

    clip: Path
    video_id: str | None = None
    error: Exception | None = None

    @property
    def concerns_all(self) -> bool:
        """Whether what went wrong would stop other clips too."""
        return self.error is not None and not isinstance(self.error, OSError | CLIP_REFUSED)


def send(client: Client, clip: Path, wish: Wish, progress: Shown) -> Sent:
    """Upload one clip, or what is missing of it, and have it published when it is ready if that is wished."""
    try:
        completed = client.upload(
            clip,
            title=Path(filename(clip)).stem[:80] if wish.title is None else wish.title,
            category=wish.category,
            description=wish.description,
            visibility=wish.visibility,
            video_id=wish.video_id,
            publish=wish.publish,
            content_type=wish.content_type,
            preflight=wish.check,
            on_progress=partial(progress.uploaded, clip.name),
        )
    except (NextPlayError, OSError) as error:
        return Sent(clip, error=error)
    return Sent(clip, completed["video_id"])


def wait(client: Client, sent: Sent, timeout_seconds: float, progress: Shown) -> Sent:
    """Wait until a clip that was sent is ready, or published where that is wished."""
    if sent.error or sent.video_id is None:
        return sent
    try:
        client.wait(sent.video_id, timeout_seconds=timeout_seconds, on_status=partial(progress.moved, sent.clip.name))
    except NextPlayError as error:
        return replace(sent, error=error)
    return sent


def command_again(arguments: Sequence[str], sent: Sequence[Sent]) -> str:
    """The command as it was typed, without clips that are uploaded, which it would upload once more, and without a
    token, which belongs on no screen."""
    uploaded = [one.clip for one in sent if one.video_id]
    shown: list[str] = []
    for number, argument in enumerate(arguments):
        if Path(argument) in uploaded:
            uploaded.remove(Path(argument))
        elif number and arguments[number - 1] == "--token":
            shown.append("TOKEN")
        else:
            shown.append("--token=TOKEN" if argument.startswith("--token=") else argument)
    return shlex.join(["nextplay", *shown])
