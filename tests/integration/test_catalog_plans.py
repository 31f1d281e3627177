"""How PostgreSQL carries out every named query of the catalog when there is much of everything: by an index."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any
from uuid import uuid4

import pytest
from scratch import Scratch

from chassis import queries
from chassis.postgres import Pool, open_pool

PACKAGE = "services.catalog.queries"
QUERIES = {
    name: query
    for file in resources.files(PACKAGE).iterdir()
    if file.name.endswith(".sql")
    for name, query in queries.load(PACKAGE, file.name).items()
}
ID, OTHER, NOON = uuid4(), uuid4(), datetime(2026, 1, 1, 12, tzinfo=UTC)
VALUES: dict[str, tuple[Any, ...]] = {
    "find_video": (ID,),
    "lock_video": (ID,),
    "lock_own_video": (ID, OTHER),
    "find_assets": (ID,),
    "delete_assets": (ID,),
    "find_claim": (ID,),
    "note_progress": (ID, 1, 50, None, None),
    "find_quiet_videos": (timedelta(minutes=70), timedelta(minutes=2), 500, timedelta(minutes=2)),
    "ask_later": (ID,),
    "now": (),
    "find_abandoned_videos": (timedelta(days=30), 500),
    "read_status": (ID, OTHER),
    "read_statuses": ([ID, OTHER], [ID, OTHER]),
    "read_visible_video": (ID, OTHER),
    "owns_video": (ID, OTHER),
    "read_timeline": (ID,),
    "written": (),
    "replayed": (),
    "read_queue": (),
    "read_running": (),
    "read_pace": (),
    "find_playable": (ID,),
    "list_feed": (ID, NOON, OTHER, 21),
    "discover": (NOON, OTHER, 21),
    "discover_category": (NOON, OTHER, 21, "sports"),
    "list_of_author": (ID, NOON, OTHER, 21),
    "list_own": (ID, NOON, OTHER, 21, None, None),
    "list_followers": (ID, NOON, OTHER, 21),
    "list_following": (ID, NOON, OTHER, 21),
    "remove_follow": (ID, OTHER),
    "fill_feed": (ID, OTHER, 50),
    "clear_feed": (ID, OTHER),
    "restart_feed_fanout": (ID, NOON, OTHER, "{}"),
    "belongs_in_feeds": (ID,),
    "add_entries": (ID, NOON, OTHER, 1000, NOON, OTHER),
    "remove_entries": (ID, NOON, OTHER, 1000, NOON, OTHER),
    "advance_feed_fanout": (ID, NOON, OTHER),
    "finish_feed_fanout": (ID,),
    "list_not_ready": ("PROCESSING_FAILED", 3600.0, None, 51),
    "count_not_ready": (3600.0, 51),
    "find_failed": ([ID, OTHER],),
    "show_video": (ID,),
    "show_timeline": (ID, 50),
    "show_fanout": (ID,),
}
WRITES = {
    "insert_video",
    "save_video",
    "insert_assets",
    "insert_timeline_entry",
    "keep_claim",
    "add_follow",
    "start_feed_fanout",
}
"""Of one row, or of the rows that are given; they read nothing."""


@pytest.fixture
async def full(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    """Tables with 20,000 videos, a few of them under way, with their timelines, feeds and followers."""
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
            INSERT INTO video_claims SELECT gen_random_uuid(), video_id, 1, now() FROM videos
        """)
        await pool.execute("INSERT INTO video_progress SELECT video_id, 1, 50, NULL, now() FROM videos")
        await pool.execute("""
            INSERT INTO video_assets SELECT video_id, 'THUMB', '', '', '', '', 0, 0, 0, 0, 0 FROM videos
        """)
        await pool.execute("UPDATE videos SET published_at = ready_at WHERE status = 'PUBLISHED'")
        await pool.execute("""
            INSERT INTO follows SELECT gen_random_uuid(), author.user_id, now() - n * interval '1 minute'
            FROM generate_series(1, 20) AS n, (SELECT user_id FROM videos LIMIT 1000) AS author
        """)
        await pool.execute("""
            INSERT INTO feed_entries SELECT gen_random_uuid(), published_at, video_id, user_id
            FROM videos WHERE status = 'PUBLISHED'
        """)
        await pool.execute("""
            INSERT INTO feed_fanouts SELECT video_id, user_id, published_at, 'DONE', now(), video_id
            FROM videos WHERE status = 'PUBLISHED'
        """)
        await pool.execute("ANALYZE")
        yield pool


def test_every_named_query_is_examined() -> None:
    assert VALUES.keys() | WRITES == QUERIES.keys()


async def test_no_query_reads_a_whole_table(full: Pool) -> None:
    scans = {}
    for name, values in VALUES.items():
        async with full.acquire() as connection:
            plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {QUERIES[name]}", *values)
        scans[name] = [node for node in _nodes(json.loads(plan)) if node["Node Type"] == "Seq Scan"]
    assert {name: found for name, found in scans.items() if found} == {}


async def test_a_query_without_an_index_would_be_seen(full: Pool) -> None:
    plan = json.loads(await full.fetchval("EXPLAIN (FORMAT JSON) SELECT * FROM videos WHERE title = 'title'"))
    assert "Seq Scan" in [node["Node Type"] for node in _nodes(plan)]


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Every node of a plan as EXPLAIN prints it."""
    for entry in plan:
        node = entry.get("Plan", entry)
        yield node
        yield from _nodes(node.get("Plans", []))
