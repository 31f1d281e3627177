"""How PostgreSQL carries out the queries on videos when there are many: by an index, whatever the query is."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any
from uuid import uuid4

import pytest
from scratch import Scratch

from chassis import queries
from chassis.postgres import Pool, open_pool

PACKAGE = "services.catalog.queries"
QUERIES = {**queries.load(PACKAGE, "videos.sql"), **queries.load(PACKAGE, "status.sql")}
ID, OTHER = uuid4(), uuid4()
VALUES: dict[str, tuple[Any, ...]] = {
    "find_video": (ID,),
    "lock_video": (ID,),
    "lock_own_video": (ID, OTHER),
    "find_assets": (ID,),
    "delete_assets": (ID,),
    "find_claim": (ID,),
    "note_progress": (ID, 1, 50, None, None),
    "find_quiet_videos": (timedelta(minutes=70), timedelta(minutes=2), 500),
    "find_abandoned_videos": (timedelta(days=30), 500),
    "read_statuses": ([ID, OTHER],),
    "read_own_status": (ID, OTHER),
    "read_visible_video": (ID, OTHER),
    "owns_video": (ID, OTHER),
    "read_timeline": (ID,),
    "read_queue": (),
    "read_pace": (),
}
INSERTS = {"insert_video", "save_video", "insert_assets", "insert_timeline_entry", "insert_claim"}


@pytest.fixture
async def full(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    """Tables with 20,000 videos, a few of them under way, and their timelines."""
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.owner_dsn, application_name=scratch.schema) as pool:
        await pool.execute("""
            INSERT INTO videos (video_id, user_id, title, description, category, visibility, status, sequence,
                                generation, created_at, changed_at, heard_at, uploaded_at, ready_at, run_ms,
                                duration_ms)
            SELECT gen_random_uuid(), gen_random_uuid(), 'title', '', 'sports', 'public',
                   CASE WHEN n % 500 = 0 THEN 'UPLOADED' WHEN n % 500 = 1 THEN 'DRAFT' ELSE 'PUBLISHED' END, 1, 1,
                   now() - n * interval '1 minute', now(), now(), now(), now() - n * interval '1 minute', 5000, 15000
            FROM generate_series(1, 20000) AS n
        """)
        await pool.execute("""
            INSERT INTO video_timeline (video_id, event, occurred_at, generation)
            SELECT video_id, 'UploadStarted', now(), 1 FROM videos
        """)
        await pool.execute("""
            INSERT INTO video_claims SELECT gen_random_uuid(), video_id, 1, NULL, now() FROM videos
        """)
        await pool.execute("INSERT INTO video_progress SELECT video_id, 1, 50, NULL, now() FROM videos")
        await pool.execute("""
            INSERT INTO video_assets SELECT video_id, 'THUMB', '', '', '', '', 0, 0, 0, 0, 0 FROM videos
        """)
        await pool.execute("ANALYZE")
        yield pool


def test_every_query_on_videos_is_examined() -> None:
    assert VALUES.keys() | INSERTS == QUERIES.keys()


async def test_no_query_on_videos_reads_a_whole_table(full: Pool) -> None:
    scans = {}
    for name, values in VALUES.items():
        async with full.acquire() as connection:
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {QUERIES[name]}", *values)
        scans[name] = [node for node in _nodes(json.loads(plan)) if node["Node Type"] == "Seq Scan"]
    assert {name: found for name, found in scans.items() if found} == {}


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Every node of a plan as EXPLAIN prints it."""
    for entry in plan:
        node = entry.get("Plan", entry)
        yield node
        yield from _nodes(node.get("Plans", []))
