"""What a thousand watched videos cost an instance of the catalog."""

import asyncio
import tempfile
import time
from collections.abc import Collection, Mapping
from importlib import resources
from pathlib import Path
from uuid import uuid4

from benchmarks.measure import Measure
from chassis.migrations import migrate
from chassis.postgres import Database, Pool, open_pool
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from services.catalog.reads.status import OwnVideo, Standing, read_statuses
from services.catalog.reads.watching import Watchers
from services.catalog.settings import Settings

VIDEOS = 1_000
WATCH_SECONDS = 20.0
PROGRESS_SECONDS = 1.0
TICK_SECONDS: float = Settings.model_fields["watch_seconds"].default

INSERT = """
    INSERT INTO videos (video_id, user_id, title, description, category, visibility, status, sequence, generation,
                        created_at, changed_at, heard_at, uploaded_at)
    SELECT id, id, 'title', '', 'sports', 'public', 'PROCESSING', 4, 1, now(), now(), now(), now()
    FROM unnest($1::uuid[]) AS id
"""
PROGRESS = """
    INSERT INTO video_progress (video_id, generation, percent, observed_at)
    SELECT id, 1, $2, now() FROM unnest($1::uuid[]) AS id
    ON CONFLICT (video_id) DO UPDATE SET percent = excluded.percent, observed_at = excluded.observed_at
"""


def measure() -> list[Measure]:
    """On PostgreSQL alone, with the catalog's own watchers in this process."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, with_parent=True)
        try:
            return asyncio.run(_measure(attach(home)))
        finally:
            stop(home)


async def _measure(stack: Stack) -> list[Measure]:
    await migrate(stack.dsn("catalog_owner"), "catalog", resources.files("services.catalog.migrations"))
    async with open_pool(stack.dsn("catalog"), application_name="bench") as pool:
        return await _watched(pool)


async def _watched(pool: Pool) -> list[Measure]:
    """Every video makes progress once a second, and each watcher is told."""
    ids = [uuid4() for _ in range(VIDEOS)]
    await pool.execute(INSERT, ids)
    database, watchers, queries, told = Database(pool, pool), Watchers(), 0, 0

    async def read(watched: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        nonlocal queries
        queries += 1
        return await read_statuses(database, watched)

    async def watch(present: Standing) -> None:
        nonlocal told
        async for _ in watchers.watch(present, present.video.sequence):
            told += 1

    present = await read_statuses(database, [(id, id) for id in ids])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(watch(standing)) for standing in present.values()]
        tasks.append(group.create_task(watchers.keep_informed(read, TICK_SECONDS)))
        await asyncio.sleep(TICK_SECONDS)
        began, before, queries, told = time.perf_counter(), time.process_time(), 0, 0
        for percent in range(1, 1 + int(WATCH_SECONDS / PROGRESS_SECONDS)):
            await pool.execute(PROGRESS, ids, percent)
            await asyncio.sleep(PROGRESS_SECONDS)
        elapsed, spent = time.perf_counter() - began, time.process_time() - before
        for task in tasks:
            task.cancel()
    how = f"{VIDEOS:,} videos watched for {elapsed:.0f} s, each making progress every {PROGRESS_SECONDS:g} s"
    return [
        Measure(
            "queries a tick, 1,000 watched videos",
            queries * TICK_SECONDS / elapsed,
            "",
            1.0,
            f"{how}: {queries / elapsed:.2f} queries/s at a tick of {TICK_SECONDS:g} s, {told:,} changes",
        ),
        Measure(
            "CPU, 1,000 watched videos",
            100 * spent / elapsed,
            "%",
            None,
            f"of one core in the catalog's process: {how}",
        ),
    ]
