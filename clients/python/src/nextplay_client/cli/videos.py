"""Own videos: listing them, seeing where they stand, and what their owner does with them."""

import sys
from typing import get_args
from uuid import UUID

import click

from nextplay_client.cli.connection import Connection, connected
from nextplay_client.cli.output import Output, now
from nextplay_client.cli.progress import status_note
from nextplay_client.cli.words import duration, moment, since
from nextplay_client.types import VideoStatus, VideoSummary, Visibility

VIDEO = click.argument("video", type=click.UUID)
LIMIT = click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many at most.")
CATEGORY = click.option("--category", help="Only of this category.")


@click.command()
@click.option("--status", type=click.Choice(get_args(VideoStatus), case_sensitive=False), help="Only in this state.")
@CATEGORY
@LIMIT
@connected
def videos(connection: Connection, out: Output, status: VideoStatus | None, category: str | None, limit: int) -> None:
    """List your videos, newest first."""
    with connection.open() as client:
        found = list(client.videos(status=status, category=category, limit=limit))
    show_videos(found, out, empty="You have no such video yet. Upload one: nextplay upload CLIP")


@click.command()
@VIDEO
@connected
def status(connection: Connection, out: Output, video: UUID) -> None:
    """Show where a video stands."""
    with connection.open() as client:
        found = client.status(str(video))
    if out.as_json:
        out.document(found)
        return
    out.line(f"{status_note(found)}, {found['progress']} %, {since(moment(found['changed_at']), now())}")
    if reason := found.get("reason"):
        out.line(f"{reason['message']} {reason['next_action']} ({reason['code']})")
    if found["allowed_actions"]:
        out.line(f"You may: {', '.join(found['allowed_actions']).replace('_', ' ')}.")
    out.note(f"The whole story: nextplay why {video}", style="dim")


@click.command()
@VIDEO
@click.option("--visibility", type=click.Choice(get_args(Visibility)), help="Who may see it.  [default: as uploaded]")
@click.option("--when-ready", is_flag=True, help="Publish it as soon as it is ready, if it is not yet.")
@click.option("--quiet", is_flag=True, help="Do not tell followers.")
@connected
def publish(
    connection: Connection, out: Output, video: UUID, visibility: Visibility | None, when_ready: bool, quiet: bool
) -> None:
    """Publish a video that is ready."""
    with connection.open() as client:
        published = client.publish(str(video), visibility=visibility, notify_followers=not quiet, when_ready=when_ready)
    if out.as_json:
        out.document(published)
    elif published["status"] == "PUBLISHED":
        out.line(f"PUBLISHED  {video}  {published['visibility']}")
    else:
        out.line(f"{published['status']}  {video}  will be published as soon as it is ready")


@click.command()
@VIDEO
@click.option("--title", help="1 to 80 characters.")
@click.option("--description", help="At most 2,000 characters.")
@click.option("--category", help="sports, music, gaming, …")
@click.option("--visibility", type=click.Choice(get_args(Visibility)), help="Who may see it.")
@connected
def update(
    connection: Connection,
    out: Output,
    video: UUID,
    title: str | None,
    description: str | None,
    category: str | None,
    visibility: Visibility | None,
) -> None:
    """Change what is said about a video, or who sees it."""
    with connection.open() as client:
        updated = client.update(
            str(video), title=title, description=description, category=category, visibility=visibility
        )
    if out.as_json:
        out.document(updated)
    else:
        out.line(f"“{updated['title']}”  {updated['category']}, {updated['visibility']}")


@click.command()
@VIDEO
@connected
def retry(connection: Connection, out: Output, video: UUID) -> None:
    """Process a failed video again, from its stored file."""
    with connection.open() as client:
        retried = client.retry(str(video))
    if out.as_json:
        out.document(retried)
        return
    out.line(f"{retried['status']}  {video}")
    out.note(f"Watch it: nextplay watch {video}", style="dim")


@click.command()
@VIDEO
@click.option("--yes", is_flag=True, help="Do not ask.")
@connected
def delete(connection: Connection, out: Output, video: UUID, yes: bool) -> None:
    """Delete a video, for ever."""
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Nobody can be asked here; say --yes.")
    with connection.open() as client:
        if not yes:
            title = client.video(str(video))["title"]
            if not click.confirm(f"Delete “{title}” for ever?", err=True):
                raise click.exceptions.Exit(1)
        client.delete(str(video))
    if out.as_json:
        out.document({"video_id": str(video), "status": "DELETED"})
    else:
        out.line(f"DELETED  {video}")


def show_videos(found: list[VideoSummary], out: Output, *, empty: str, authors: bool = False) -> None:
    """A list of videos, as a table or as JSON."""
    if out.as_json:
        out.document({"videos": found})
    elif not found:
        out.note(empty)
    else:
        columns = ("TITLE", "LENGTH", "SINCE", "BY" if authors else "STATUS", "VIDEO")
        out.table(columns, [_row(video, authors) for video in found])


def _row(video: VideoSummary, authors: bool) -> tuple[str, ...]:
    length = duration(video["duration_ms"] / 1000) if "duration_ms" in video else ""
    began = moment(video.get("published_at", video["created_at"]))
    who = video["user_id"] if authors else video["status"]
    return video["title"], length, since(began, now()), who, video["video_id"]
