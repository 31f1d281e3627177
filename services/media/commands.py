"""What operators look at and decide in media."""

from argparse import ArgumentParser, Namespace
from uuid import UUID

from chassis import queries
from chassis.transaction import transactions
from operating.desk import Change, Desk, Group, Look, Row, Rows
from operating.shared import events_waiting, known, lately, objects_below, one
from services.media.domain.job import HEAD_STARTS, JobStatus, video_prefix
from services.media.ports import Begin
from services.media.repository import Repository
from services.media.usecases import jobs

QUERIES = queries.load("services.media")
UNDER_WAY = [JobStatus.QUEUED, JobStatus.PROCESSING]


def filters(parser: ArgumentParser) -> None:
    parser.add_argument("--tier", choices=sorted(HEAD_STARTS), help="only those of this tier")
    parser.add_argument("--older-than", type=float, default=0.0, metavar="MINUTES", help="only those asked for before")


def state_and_filters(parser: ArgumentParser) -> None:
    states = [state.value for state in (*UNDER_WAY, JobStatus.FAILED)]
    parser.add_argument("--state", action="append", choices=states, help="only those; may be repeated (the first two)")
    filters(parser)


async def list_jobs(desk: Desk, asked: Namespace) -> Rows:
    states = asked.state or UNDER_WAY
    return await desk.fetch(QUERIES["list_jobs"], states, asked.tier, 60 * asked.older_than, None, asked.limit + 1)


async def find_under_way(desk: Desk, asked: Namespace) -> Rows:
    values = UNDER_WAY, asked.tier, 60 * asked.older_than, asked.ids or None, asked.limit + 1
    return await desk.fetch(QUERIES["list_jobs"], *values)


async def count_jobs(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["count_jobs"])


async def count_failures(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["count_failures"], 60 * asked.minutes)


async def requeue(desk: Desk, row: Row, reason: str) -> bool:
    return await jobs.requeue(_begin(desk), row["id"])


async def cancel(desk: Desk, row: Row, reason: str) -> bool:
    return await jobs.stop(_begin(desk), row["id"], reason)


async def show_video(desk: Desk, asked: Namespace) -> Row:
    video_id, limit = asked.id, asked.limit
    jobs_of_it = await desk.fetch(QUERIES["find_jobs_of_video"], video_id, limit)
    deletions = await desk.fetch(QUERIES["find_deletion"], video_id)
    prefixes = {video_prefix(row["user_id"], video_id) for row in (*jobs_of_it, *deletions)}
    found = known(
        desk,
        f"the video {video_id}",
        deleted=deletions,
        jobs=jobs_of_it,
        runs=await desk.fetch(QUERIES["find_runs_of_video"], video_id, limit),
        objects=[row for prefix in prefixes for row in await objects_below(desk.settings.objects, prefix, limit)],
        events_waiting=await events_waiting(desk, video_id, limit),
    )
    return {"video_id": video_id, **found}


def _begin(desk: Desk) -> Begin:
    """The relay of a worker finds what is emitted by its poll."""
    return transactions(desk.pool, Repository, lambda: None)


GROUPS = {
    "jobs": Group(
        "transcodes that were asked for",
        {
            "list": Look(
                "list those under way in the order of the queue, or failed ones", list_jobs, state_and_filters
            ),
            "queue": Look("count those under way by state and tier", count_jobs),
            "failures": Look("count what failed lately by reason", count_failures, lately),
            "requeue": Change(
                "queue them at once: those that wait for their next attempt, and those whose worker does not get on; "
                "failed ones are retried by `services.catalog videos retry`",
                find_under_way,
                requeue,
                filters,
            ),
            "cancel": Change(
                "stop them for good: their videos fail, and their owners read the reason",
                find_under_way,
                cancel,
                filters,
            ),
        },
    ),
    "videos": Group(
        "what media knows of a video",
        {"show": Look("show its jobs, runs and stored outputs", show_video, one(UUID, "the video"))},
    ),
}
