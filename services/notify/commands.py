"""What operators look at in notify."""

from argparse import ArgumentParser, Namespace
from uuid import UUID

from chassis import queries
from operating.desk import Desk, Group, Look, Row, Rows
from operating.shared import events_waiting, known, lately
from services.notify.domain.notification import Kind

QUERIES = queries.load("services.notify.queries", "operators.sql")
ABOUT_VIDEOS = [kind for kind in Kind if kind is not Kind.WEBHOOK_DISABLED]


def video_and_user(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=UUID, metavar="ID", help="the video")
    parser.add_argument("--user", type=UUID, required=True, help="who was told: the owner, as the catalog shows it")


async def count_pushes(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["count_pushes"], 60 * asked.minutes, asked.limit + 1)


async def show_video(desk: Desk, asked: Namespace) -> Row:
    video_id, limit = asked.id, asked.limit
    told = await desk.fetch(QUERIES["show_notifications"], asked.user, ABOUT_VIDEOS, video_id, limit)
    ids = [row["notification_id"] for row in told]
    found = known(
        desk,
        f"the video {video_id} and the user {asked.user}",
        deleted=await desk.fetch(QUERIES["show_deleted"], video_id),
        told_to_followers=await desk.fetch(QUERIES["show_fanout"], video_id),
        notifications=told,
        pushes=await desk.fetch(QUERIES["show_pushes"], ids, limit),
        webhook_deliveries=await desk.fetch(QUERIES["show_webhook_deliveries"], asked.user, video_id, limit),
        events_waiting=await events_waiting(desk, video_id, limit),
    )
    return {"video_id": video_id, **found}


GROUPS = {
    "pushes": Group("pushes to devices", {"ended": Look("count the latest by host and end", count_pushes, lately)}),
    "videos": Group(
        "what notify knows of a video",
        {"show": Look("show what a user was told about it, and the deliveries", show_video, video_and_user)},
    ),
}
