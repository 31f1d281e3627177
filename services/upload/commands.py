"""What operators look at in upload."""

from argparse import ArgumentParser, Namespace
from uuid import UUID

from chassis import queries
from operating.desk import Desk, Group, Look, Row, Rows
from operating.shared import events_waiting, known, lately, objects_below, one
from services.upload.domain.findings import FindingKind

QUERIES = queries.load("services.upload")


def kind(parser: ArgumentParser) -> None:
    parser.add_argument("--kind", choices=list(FindingKind), help="only those of this kind")


async def count_ended(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["count_ended"], 60 * asked.minutes)


async def list_findings(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["list_findings"], asked.kind, asked.limit + 1)


async def show_video(desk: Desk, asked: Namespace) -> Row:
    video_id, limit = asked.id, asked.limit
    uploads = await desk.fetch(QUERIES["show_uploads"], video_id, limit)
    objects: list[Row] = []
    purges: list[Row] = []
    for user_id in {row["user_id"] for row in uploads}:
        prefix = f"uploads/{user_id}/{video_id}/"
        objects += await objects_below(desk.settings.object_store, prefix, limit)
        purges += await desk.fetch(QUERIES["show_purges"], prefix, limit)
    found = known(
        desk,
        f"the video {video_id}",
        deleted=await desk.fetch(QUERIES["show_deletion"], video_id),
        uploads=uploads,
        objects=objects,
        purges=purges,
        events_waiting=await events_waiting(desk, video_id, limit),
    )
    return {"video_id": video_id, **found}


GROUPS = {
    "uploads": Group("uploads", {"ended": Look("count those that ended lately by how", count_ended, lately)}),
    "findings": Group(
        "what `job reconcile` found to differ between S3 and the tables",
        {"list": Look("list the open ones, the oldest first", list_findings, kind)},
    ),
    "videos": Group(
        "what upload knows of a video",
        {"show": Look("show its uploads, and what is stored of them", show_video, one(UUID, "the video"))},
    ),
}
