"""Feeds with a million follows: what a page costs, and how fast a publication enters the feeds of 100,000 followers."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from benchmarks.measure import Measure
from chassis.migrations import migrate
from chassis.paging import START, Position
from chassis.postgres import Database, Pool, open_pool
from chassis.transaction import transactions
from chassis.work import work
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from services.catalog.ports import Begin
from services.catalog.ports.feeds import FeedFanout
from services.catalog.reads.lists import list_feed
from services.catalog.repository import open_store
from services.catalog.usecases.feeds import claim_fanouts, enter_feeds, update_feeds

FOLLOWERS = 100_000
FOLLOWS = 1_000_000
PAGE = 20
PAGES_A_ROUND = 1_000
FANOUTS = 5

DATA = f"""
    -- A thousand authors; the first has {FOLLOWERS:,} followers.
    CREATE TEMP TABLE authors AS SELECT n, gen_random_uuid() AS id FROM generate_series(1, 1000) AS n;
    CREATE TEMP TABLE users AS SELECT n, gen_random_uuid() AS id FROM generate_series(1, {FOLLOWERS}) AS n;
    CREATE INDEX ON authors (n);
    INSERT INTO follows (follower_id, followed_id, followed_at)
    SELECT users.id, authors.id, now() - random() * interval '300 days' FROM users, authors WHERE authors.n = 1;
    INSERT INTO follows (follower_id, followed_id, followed_at)
    SELECT users.id, authors.id, now() - random() * interval '300 days'
    FROM users CROSS JOIN generate_series(1, {FOLLOWS // FOLLOWERS - 1}) AS k
    JOIN authors ON authors.n = 2 + (users.n * 7 + k * 111) % 999;

    -- Twenty videos each, with their assets.
    INSERT INTO videos (video_id, user_id, title, description, category, visibility, status, sequence, generation,
                        created_at, changed_at, heard_at, ready_at, published_at, duration_ms)
    SELECT gen_random_uuid(), authors.id, 'A title of usual length', '', 'sports', 'public', 'PUBLISHED', 5, 1,
           published, published, published, published, published, 15000
    FROM authors, generate_series(1, 20), LATERAL (SELECT now() - random() * interval '200 days' AS published);
    INSERT INTO video_assets (video_id, kind, url, s3_bucket, s3_key, content_type, size_bytes, width, height,
                              bitrate_bps, duration_ms)
    SELECT video_id, kind, 's3://nextplay/' || video_id, 'nextplay', 'videos/' || video_id || '/' || kind,
           'video/mp4', 1000000, 1280, 720, 2500000, 15000
    FROM videos, unnest(ARRAY['MP4_720', 'MP4_480', 'MP4_240', 'HLS', 'THUMB', 'PREVIEW']) AS kind;

    -- The feeds of every twentieth user.
    INSERT INTO feed_entries (user_id, published_at, video_id, author_id)
    SELECT users.id, videos.published_at, videos.video_id, videos.user_id
    FROM users JOIN follows ON follows.follower_id = users.id JOIN videos ON videos.user_id = follows.followed_id
    WHERE users.n % 20 = 0;
"""  # noqa: S608


def measure() -> list[Measure]:
    """On PostgreSQL alone, with the catalog's tables, through the catalog's own functions."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, with_parent=True)
        try:
            stack = attach(home)
            return asyncio.run(_measure(stack))
        finally:
            stop(home)


async def _measure(stack: Stack) -> list[Measure]:
    await migrate(stack.dsn("catalog_owner"), "catalog", resources.files("services.catalog.migrations"))
    # The superuser, because nobody else may make temporary tables.
    admin = await asyncpg.connect(stack.dsn("postgres"), server_settings={"search_path": "catalog"})
    await admin.execute(DATA)
    await admin.execute("VACUUM ANALYZE")
    await admin.close()
    async with open_pool(stack.dsn("catalog"), application_name="bench", statement_timeout_ms=60_000) as pool:
        return [await _pages(pool), await _fanout(pool)]


async def _pages(pool: Pool) -> Measure:
    """The first two pages of random feeds, each in turn with a SELECT by primary key."""
    readers = [row["user_id"] for row in await pool.fetch("SELECT DISTINCT user_id FROM feed_entries")]
    videos = [row["video_id"] for row in await pool.fetch("SELECT video_id FROM videos")]
    database, middle = Database(pool, pool), UUID(int=2**127)

    async def page() -> None:
        after = random.choice([START, Position(datetime.now(UTC), middle)])
        assert len(await list_feed(database, random.choice(readers), after, PAGE + 1)) == PAGE + 1

    async def select() -> None:
        await pool.fetchrow("SELECT * FROM videos WHERE video_id = $1", random.choice(videos))

    rounds = []
    for _ in range(6):
        pages, selects = [], []
        for _ in range(PAGES_A_ROUND):
            pages.append(await _milliseconds(page))
            selects.append(await _milliseconds(select))
        rounds.append((_p99(pages), _p99(selects), statistics.median(pages), statistics.median(selects)))
    taken = [statistics.median(column) for column in zip(*rounds[1:], strict=True)]
    ratio = statistics.median(ours / bare for ours, bare, *_ in rounds[1:])
    how = (
        f"{len(rounds) - 1} rounds of {PAGES_A_ROUND:,} each in turn, after one that warms: {taken[0]:.2f} ms for a "
        f"page of {PAGE} videos with their assets, {taken[1]:.2f} ms for one row (medians {taken[2]:.2f} and "
        f"{taken[3]:.2f} ms); {FOLLOWS:,} follows, {len(videos):,} videos"
    )
    return Measure("feed page p99 / SELECT by primary key p99", ratio, "", 3.0, how)


async def _fanout(pool: Pool) -> Measure:
    """Fan-outs to the same followers by the product's loop and by one statement, in turn, into the same table."""
    author = await pool.fetchval("SELECT followed_id FROM follows GROUP BY followed_id ORDER BY count(*) DESC LIMIT 1")
    begin, rounds = transactions(pool, open_store, lambda: None), []
    for _ in range(FANOUTS):
        bare = FOLLOWERS / await _seconds_of_insert(pool, author)
        rounds.append((FOLLOWERS / await _seconds_of_fanout(pool, begin, author), bare))
    rates = [statistics.median(column) for column in zip(*rounds, strict=True)]
    ratio = statistics.median(ours / bare for ours, bare in rounds)
    how = (
        f"{FANOUTS} publications to {FOLLOWERS:,} followers by either, in turn: {rates[0]:,.0f} rows/s in resumable "
        f"pages of 1,000 followers, {rates[1]:,.0f} rows/s as one INSERT … SELECT"
    )
    return Measure("fan-out rows/s / bare INSERT … SELECT", ratio, "", 0.3, how, at_least=True)


async def _seconds_of_insert(pool: Pool, author: UUID) -> float:
    began = time.perf_counter()
    await pool.execute(
        "INSERT INTO feed_entries (user_id, published_at, video_id, author_id) "
        "SELECT follower_id, now(), $2, $1 FROM follows WHERE followed_id = $1",
        author,
        uuid4(),
    )
    return time.perf_counter() - began


async def _seconds_of_fanout(pool: Pool, begin: Begin, author: UUID) -> float:
    video_id = await pool.fetchval("SELECT video_id FROM videos WHERE user_id = $1 ORDER BY random() LIMIT 1", author)
    await pool.execute("DELETE FROM feed_entries WHERE video_id = $1", video_id)
    wake = asyncio.Event()

    async def claim() -> Sequence[FeedFanout]:
        return await claim_fanouts(begin, "bench")

    began = time.perf_counter()
    async with begin() as tx:
        await enter_feeds(tx, video_id, author, datetime.now(UTC))
    loop = asyncio.create_task(work("fan-out", claim, lambda fanout: update_feeds(begin, fanout), wake=wake))
    wake.set()
    while await pool.fetchval("SELECT status FROM feed_fanouts WHERE video_id = $1", video_id) != "DONE":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    elapsed = time.perf_counter() - began
    loop.cancel()
    written = await pool.fetchval("SELECT count(*) FROM feed_entries WHERE video_id = $1", video_id)
    assert written == FOLLOWERS, f"{written} entries"
    return elapsed


async def _milliseconds(call: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await call()
    return (time.perf_counter() - began) * 1000


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
