"""What operators look at and decide in the catalog."""

from argparse import ArgumentParser, Namespace
from contextlib import suppress
from uuid import UUID

from chassis import queries
from chassis.transaction import transactions
from operating.desk import Change, Desk, Group, Look, Row, Rows
from operating.shared import NotThere, events_waiting, lately, one
from services.catalog.domain.video import Status
from services.catalog.repository import open_store
from services.catalog.usecases.lifecycle import retry_video

QUERIES = queries.load("services.catalog.queries", "operators.sql")
ASSETS = queries.load("services.catalog.queries", "videos.sql")["find_assets"]
NOT_READY = [Status.PROCESSING_FAILED.value, Status.REJECTED_TOO_LONG.value, Status.REJECTED_FORMAT.value]


def code_and_time(parser: ArgumentParser) -> None:
    parser.add_argument("--code", help="only those that failed for this reason")
    lately(parser)


def status_code_and_time(parser: ArgumentParser) -> None:
    parser.add_argument("--status", choices=NOT_READY, default=Status.PROCESSING_FAILED, help="in it (%(default)s)")
    code_and_time(parser)


async def list_not_ready(desk: Desk, asked: Namespace) -> Rows:
    values = asked.status, 60 * asked.minutes, asked.code, asked.limit + 1
    return await desk.fetch(QUERIES["list_not_ready"], *values)


async def count_not_ready(desk: Desk, asked: Namespace) -> Rows:
    return await desk.fetch(QUERIES["count_not_ready"], 60 * asked.minutes, asked.limit + 1)


async def find_failed(desk: Desk, asked: Namespace) -> Rows:
    if asked.all:
        values = Status.PROCESSING_FAILED, 60 * asked.minutes, asked.code, asked.limit + 1
        return await desk.fetch(QUERIES["list_not_ready"], *values)
    ids = []
    for text in asked.ids:
        with suppress(ValueError):  # of what is no id, the desk says that it is not there
            ids.append(UUID(text))
    return await desk.fetch(QUERIES["find_failed"], ids)


async def retry(desk: Desk, row: Row, reason: str) -> bool:
    """As its owner would; raises what they would be told."""
    async with transactions(desk.pool, open_store, lambda: None)() as tx:
        await retry_video(tx, row["id"], row["user_id"])
    return True


async def show_video(desk: Desk, asked: Namespace) -> Row:
    found = await desk.fetch(QUERIES["show_video"], asked.id)
    if not found:
        raise NotThere(f"The catalog has no video {asked.id}.")
    return {
        **found[0],
        "assets": await desk.fetch(ASSETS, asked.id),
        "feeds": await desk.fetch(QUERIES["show_fanout"], asked.id),
        "timeline": await desk.fetch(QUERIES["show_timeline"], asked.id, asked.limit),
        "events_waiting": await events_waiting(desk, asked.id, asked.limit),
    }


GROUPS = {
    "videos": Group(
        "videos, as far as the catalog knows them",
        {
            "show": Look("show one: where it stands, its outputs, its timeline", show_video, one(UUID, "the video")),
            "list": Look("list those that did not become READY lately", list_not_ready, status_code_and_time),
            "reasons": Look("count them by reason", count_not_ready, lately),
            "retry": Change(
                "have failed ones transcoded again from their originals, as their owners would",
                find_failed,
                retry,
                code_and_time,
            ),
        },
    ),
}
