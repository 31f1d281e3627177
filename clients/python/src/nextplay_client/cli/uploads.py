"""`nextplay upload` and `nextplay watch`: clips on their way."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args
from uuid import UUID

import click

from nextplay_client import Client
from nextplay_client.cli.connection import Connection, connected
from nextplay_client.cli.failures import DONE, FAILED, REFUSED, exit_status, on_interrupt, tell, told
from nextplay_client.cli.output import Output
from nextplay_client.cli.progress import shown
from nextplay_client.cli.sending import Sent, Wish, command_again, send, wait
from nextplay_client.cli.words import megabytes
from nextplay_client.types import Status, Visibility

TYPES = ("video/mp4", "video/quicktime")
TIMEOUT = click.option(
    "--timeout", type=click.FloatRange(min=0), default=1800, show_default=True, help="How many seconds to stay."
)


@click.command()
@click.argument("clips", nargs=-1, required=True, metavar="CLIP...", type=click.Path(path_type=Path))
@click.option("--title", help="1 to 80 characters; of one clip only.  [default: the file's name]")
@click.option("--category", default="other", show_default=True, help="sports, music, gaming, …")
@click.option("--description", help="At most 2,000 characters.")
@click.option(
    "--visibility", type=click.Choice(get_args(Visibility)), default="public", show_default=True, help="Who may see it."
)
@click.option(
    "--video", type=click.UUID, help="Upload into this own video: one that was rejected, failed or is a draft."
)
@click.option("--publish", is_flag=True, help="Publish it as soon as it is ready, also when this command has ended.")
@click.option("--watch", is_flag=True, help="Stay until it is ready, with --publish until it is published.")
@click.option("--content-type", type=click.Choice(TYPES), help="What the file is.  [default: as its name says]")
@click.option("--no-check", is_flag=True, help="Do not look first whether the clip is too long or of a wrong kind.")
@TIMEOUT
@connected
def upload(
    connection: Connection,
    out: Output,
    clips: Sequence[Path],
    title: str | None,
    category: str,
    description: str | None,
    visibility: Visibility,
    video: UUID | None,
    publish: bool,
    watch: bool,
    content_type: str | None,
    no_check: bool,
    timeout: float,
) -> None:
    """Upload clips.

    CLIP is an MP4 or MOV file of at most 150 MB and 30 s.

    What was interrupted, by Ctrl-C, a lost network or a crash, is resumed by the same command within the hour: only
    what is missing is sent. Of several clips, name those that were not uploaded yet.
    """
    if len(clips) > 1 and (title is not None or video is not None):
        raise click.UsageError("--title and --video are of one clip; upload it by itself.")
    wish = Wish(
        title=title,
        category=category,
        description=description,
        visibility=visibility,
        video_id=str(video) if video else None,
        content_type=content_type,
        publish=publish,
        check=not no_check,
    )
    sent: list[Sent] = []
    with connection.open() as client:
        with on_interrupt(out, lambda: _interrupted(len(clips), sent)), shown(out) as progress:
            for clip in clips:
                sent.append(send(client, clip, wish, progress))
                if sent[-1].concerns_all:
                    break
            if watch:
                sent[:] = [wait(client, one, timeout, progress) for one in sent]
        for one in sent:
            _show(client, one, out, watched=watch, several=len(clips) > 1)
    if left := clips[len(sent) :]:
        out.note(f"Not tried: {', '.join(map(str, left))}.")
    ends = {exit_status(one.error) if one.error else DONE for one in sent}
    raise click.exceptions.Exit(next((end for end in (FAILED, REFUSED) if end in ends), DONE))


@click.command()
@click.argument("video", type=click.UUID)
@TIMEOUT
@connected
def watch(connection: Connection, out: Output, video: UUID, timeout: float) -> None:
    """Watch a video until it is ready, rejected or failed.

    With --json it prints a status a line, as they come.
    """
    again = f"Interrupted; the video goes on without you. Watch it again: nextplay watch {video}"
    with connection.open() as client, on_interrupt(out, lambda: again), shown(out) as progress:

        def on_status(status: Status) -> None:
            progress.moved(str(video), status)
            if out.as_json:
                out.document(status)

        status = client.wait(str(video), timeout_seconds=timeout, on_status=on_status)
    if not out.as_json:
        out.line(f"{status['status']}  {video}")
    if "publish" in status["allowed_actions"]:
        out.note(f"Publish it: nextplay publish {video}", style="dim")


def _interrupted(wanted: int, sent: Sequence[Sent]) -> str:
    """How the upload is resumed, or that everything is uploaded."""
    if len(sent) < wanted:
        return (
            "Interrupted. What was sent is kept for an hour; this command sends only what is missing:\n"
            f"  {command_again(sys.argv[1:], sent)}"
        )
    return "Interrupted, but all is uploaded and goes on without you. See where it stands: nextplay videos"


def _show(client: Client, sent: Sent, out: Output, *, watched: bool, several: bool) -> None:
    """What became of a clip: its video, or why not."""
    video = client.video(sent.video_id) if sent.video_id else None
    if sent.error:
        tell(out, sent.error, of=sent.clip.name if several else "")
    if out.as_json:
        document: dict[str, object] = {"file": str(sent.clip)}
        document |= {"video": video} if video else {}
        document |= {"error": told(sent.error)} if sent.error else {}
        out.document(document)
    elif video and not sent.error:
        out.line(f"{video['status']}  {video['video_id']}  {sent.clip.name}")
        for asset in video["assets"] if watched else ():
            where = f"  {asset['url']}" if asset["kind"] == "HLS" else ""
            out.line(f"  {asset['kind']:8} {megabytes(asset['size_bytes']):>8}{where}")
        if not watched:
            out.note(f"Watch it: nextplay watch {video['video_id']}", style="dim")
