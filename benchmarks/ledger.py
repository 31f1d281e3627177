"""What telling a publication to 100,000 followers costs beside a bare COPY into the ledger, and how much memory."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import resources
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from benchmarks.measure import Measure
from chassis.clock import new_id
from chassis.migrations import migrate
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from chassis.work import work
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Notification, Publication, to_followers
from services.notify.fakes import FakeFollowers
from services.notify.ports import Begin
from services.notify.repository import open_store
from services.notify.usecases.fanouts import announce, claim_fanouts, tell_followers

FOLLOWERS = 100_000
FANOUTS = 3
COLUMNS = [
    *("notification_id", "user_id", "kind", "subject", "title", "body", "video_id", "actor_user_id", "sequence"),
    "created_at",
]


def measure() -> list[Measure]:
    """On PostgreSQL alone, with notify's tables, through notify's own functions."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, with_parent=True)
        try:
            return asyncio.run(_measure(attach(home)))
        finally:
            stop(home)


async def _measure(stack: Stack) -> list[Measure]:
    await migrate(stack.dsn("notify_owner"), "notify", resources.files("services.notify.migrations"))
    followers = FakeFollowers(sorted(uuid4() for _ in range(FOLLOWERS)))
    async with open_pool(stack.dsn("notify"), application_name="bench", statement_timeout_ms=60_000) as pool:
        await _give_devices(pool, followers.followers[::10])
        begin = transactions(pool, open_store, lambda: None)
        ours, bare, grown = [], [], []
        for _ in range(FANOUTS):
            seconds, megabytes = await _fanout(pool, begin, followers)
            ours.append(FOLLOWERS / seconds)
            grown.append(megabytes)
            bare.append(FOLLOWERS / await _seconds_of_copy(stack, followers.followers))
    ratio = statistics.median(mine / copied for mine, copied in zip(ours, bare, strict=True))
    how = (
        f"{FANOUTS} publications to {FOLLOWERS:,} followers by either, in turn: {statistics.median(ours):,.0f} rows/s "
        f"in resumable pages of 1,000 followers, of whom every tenth has a device that gets a delivery, "
        f"{statistics.median(bare):,.0f} rows/s by COPY"
    )
    memory = "the most that the process held during any of them, looked at every 20 ms, less what it held before"
    return [
        Measure("ledger fan-out rows/s / bare COPY", ratio, "", 0.2, how, at_least=True),
        Measure("ledger fan-out memory growth", max(grown), "MB", 150, memory),
    ]


async def _give_devices(pool: Pool, user_ids: Sequence[UUID]) -> None:
    await pool.execute(
        "INSERT INTO devices (device_id, user_id, vendor, address, host) "
        "SELECT gen_random_uuid(), user_id, 'fcm', user_id::text, 'fcm.googleapis.com' "
        "FROM unnest($1::uuid[]) AS user_id",
        user_ids,
    )


async def _fanout(pool: Pool, begin: Begin, followers: FakeFollowers) -> tuple[float, float]:
    """Seconds, and megabytes by which the process grew."""
    publication = Publication(uuid4(), uuid4(), "A title of usual length")
    wake = asyncio.Event()

    async def claim() -> Sequence[Fanout]:
        return await claim_fanouts(begin, "bench")

    before = most = _megabytes()
    began = time.perf_counter()
    async with begin() as tx:
        await announce(tx, publication)
    tell = partial(tell_followers, begin, followers)
    loop = asyncio.create_task(work("fan-out", claim, tell, wake=wake))
    video_id = publication.video_id
    while await pool.fetchval("SELECT status FROM fanouts WHERE video_id = $1", video_id) != "DONE":
        await asyncio.sleep(0.02)
        most = max(most, _megabytes())
    elapsed = time.perf_counter() - began
    loop.cancel()
    for table, expected in (("notifications", FOLLOWERS), ("deliveries", FOLLOWERS // 10)):
        written = await pool.fetchval(f"SELECT count(*) FROM {table} WHERE video_id = $1", video_id)  # noqa: S608
        assert written == expected, f"{written} {table}"
    return elapsed, most - before


async def _seconds_of_copy(stack: Stack, user_ids: Sequence[UUID]) -> float:
    """One COPY of the same rows, on a connection without a deadline."""
    told = to_followers(Publication(uuid4(), uuid4(), "A title of usual length"))
    connection = await asyncpg.connect(stack.dsn("notify"))
    try:
        began = time.perf_counter()
        await connection.copy_records_to_table("notifications", records=_rows(told, user_ids), columns=COLUMNS)
        return time.perf_counter() - began
    finally:
        await connection.close()


def _rows(told: Notification, user_ids: Sequence[UUID]) -> Iterator[tuple[object, ...]]:
    now = datetime.now(UTC)
    for user_id in user_ids:
        yield (
            *(new_id(), user_id, told.kind, told.subject, told.title, told.body, told.video_id, told.actor_user_id, 1),
            now,
        )


def _megabytes() -> float:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1_000_000
