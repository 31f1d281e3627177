"""Other people: what they publish, following them, and what one is told."""

from uuid import UUID

import click

from nextplay_client import local_stack
from nextplay_client.cli.claims import claims
from nextplay_client.cli.connection import Connection, connected
from nextplay_client.cli.failures import on_interrupt
from nextplay_client.cli.output import Output, now
from nextplay_client.cli.videos import CATEGORY, LIMIT, show_videos
from nextplay_client.cli.words import count, moment, since
from nextplay_client.types import Notification

USER = click.argument("whom", metavar="USER")


@click.command()
@click.option("--everybody", is_flag=True, help="Of everybody, not only of those you follow.")
@CATEGORY
@LIMIT
@connected
def feed(connection: Connection, out: Output, everybody: bool, category: str | None, limit: int) -> None:
    """List the newest videos of those you follow."""
    if category and not everybody:
        raise click.UsageError("--category goes with --everybody only.")
    with connection.open() as client:
        found = list(client.discover(category=category, limit=limit) if everybody else client.feed(limit=limit))
    empty = "Nobody has published anything yet." if everybody else "Nothing yet. Follow somebody: nextplay follow USER"
    show_videos(found, out, empty=empty, authors=True)


@click.command()
@USER
@connected
def follow(connection: Connection, out: Output, whom: str) -> None:
    """Follow a user.

    USER is an id; on the local stack a name will do."""
    user_id = _user_id(connection, whom)
    with connection.open() as client:
        client.follow(user_id)
    _say(out, user_id, whom, following=True)


@click.command()
@USER
@connected
def unfollow(connection: Connection, out: Output, whom: str) -> None:
    """Stop following a user."""
    user_id = _user_id(connection, whom)
    with connection.open() as client:
        client.unfollow(user_id)
    _say(out, user_id, whom, following=False)


@click.command()
@click.option("--unread", is_flag=True, help="Only what is unread.")
@click.option("--mark-read", is_flag=True, help="Mark everything that is listed as read.")
@click.option("--watch", is_flag=True, help="Stay, and show what comes until Ctrl-C.")
@LIMIT
@connected
def inbox(connection: Connection, out: Output, unread: bool, mark_read: bool, watch: bool, limit: int) -> None:
    """Show what you were told, newest first.

    With --json it prints a notification a line.
    """
    with connection.open() as client:
        place = client.notifications.page(page_size=1)
        found = list(client.notifications.list(unread_only=unread, limit=limit))
        for notification in found:
            _show(notification, out)
        unread_count = place["unread_count"]
        if mark_read and found:
            ids = [notification["notification_id"] for notification in found if "read_at" not in notification]
            for start in range(0, len(ids), 100):
                unread_count = client.notifications.mark_read(ids[start : start + 100])["unread_count"]
        out.note(f"{count(unread_count, 'notification')} unread.", style="dim")
        if watch:
            with on_interrupt(out, lambda: "Interrupted. Nothing is lost: nextplay inbox lists it all."):
                for event in client.notifications.watch(after_sequence=place["latest_sequence"]):
                    if "notification" in event:
                        _show(event["notification"], out)


def _show(notification: Notification, out: Output) -> None:
    if out.as_json:
        out.document(notification)
        return
    mark = " " if "read_at" in notification else "•"
    out.line(f"{mark} {since(moment(notification['created_at']), now()):>12}  {notification['title']}", style="bold")
    out.line(f"{'':17}{notification['body']}")
    if notification.get("next_action", "") not in notification["body"]:
        out.line(f"{'':17}{notification['next_action']}")
    if notification["video_id"]:
        out.line(f"{'':17}video {notification['video_id']}", style="dim")


def _user_id(connection: Connection, whom: str) -> str:
    """The id of a user; a name means one of the local stack's users."""
    try:
        return str(UUID(whom))
    except ValueError:
        if not connection.is_local:
            raise click.UsageError(f"{whom!r} is no user id: a UUID.") from None
        return claims(local_stack.token(whom)).user_id


def _say(out: Output, user_id: str, whom: str, *, following: bool) -> None:
    if out.as_json:
        out.document({"user_id": user_id, "following": following})
    else:
        out.line(f"You follow {whom} now." if following else f"You follow {whom} no more.")
