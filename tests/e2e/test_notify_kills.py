"""Notify that is killed while it tells many followers: each is told once, none is left out."""

import asyncio
import random
import time
import uuid
from collections.abc import Iterator

import asyncpg
import pytest

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished
from nextplay.catalog.v1.video_pb2 import Video
from tests.e2e.broker import in_thread, send_event
from tests.e2e.people import execute, until

FOLLOWERS, DEVICES = 10_000, 500
LONGEST_LIFE_SECONDS = 0.15
"""After it took up a page: long enough for some pages to be written, short enough to hit each step of one."""


@pytest.fixture
def author(platform: Stack) -> Iterator[uuid.UUID]:
    """Somebody whom 10,000 follow; 500 of them have a device."""
    author = uuid.uuid4()
    users = "SELECT follower_id FROM follows WHERE followed_id = $1"
    insert = "INSERT INTO follows (follower_id, followed_id) SELECT gen_random_uuid(), $1 FROM generate_series(1, $2)"
    execute(platform.dsn("catalog"), insert, author, FOLLOWERS)
    with_device = [row[0] for row in execute(platform.dsn("catalog"), f"{users} LIMIT {DEVICES}", author)]
    execute(
        platform.dsn("notify"),
        "INSERT INTO devices (device_id, user_id, vendor, address, host) "
        "SELECT gen_random_uuid(), user_id, 'fcm', user_id::text, 'fcm.example.com' FROM unnest($1::uuid[]) AS user_id",
        with_device,
    )
    yield author
    execute(platform.dsn("catalog"), "DELETE FROM follows WHERE followed_id = $1", author)
    execute(platform.dsn("notify"), "DELETE FROM devices WHERE user_id = ANY ($1)", with_device)
    execute(platform.dsn("notify"), "DELETE FROM deliveries WHERE actor_user_id = $1", author)
    execute(platform.dsn("notify"), "DELETE FROM notifications WHERE actor_user_id = $1", author)


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.long)], ids=["few", "many"])
def test_however_often_notify_is_killed_every_follower_is_told_once(
    kills: int, platform: Stack, author: uuid.UUID
) -> None:
    publications = [publish(platform, author)]
    dead = 0
    for _ in range(kills):
        while not wait_for_a_page(platform, publications[-1], dead):
            publications.append(publish(platform, author))
        time.sleep(random.uniform(0, LONGEST_LIFE_SECONDS))
        dead = platform.pid("notify") or dead
        platform.kill("notify")
        let_dead_leases_end(platform, dead)
        platform.wait_ready("notify", other_than=dead)

    for video_id in publications:
        until(lambda: is_done(platform, video_id) or None, seconds=60, what="the followers being told")  # noqa: B023
        told = "SELECT count(*), count(DISTINCT user_id) FROM notifications WHERE video_id = $1 AND in_app"
        assert tuple(execute(platform.dsn("notify"), told, video_id)[0]) == (FOLLOWERS, FOLLOWERS)
        sent = "SELECT count(*), count(DISTINCT device_id) FROM deliveries WHERE video_id = $1"
        assert tuple(execute(platform.dsn("notify"), sent, video_id)[0]) == (DEVICES, DEVICES)


def publish(platform: Stack, author: uuid.UUID) -> uuid.UUID:
    video_id = uuid.uuid4()
    public = Video.Visibility.public
    send_event(
        platform,
        VideoPublished(
            video_id=str(video_id), user_id=str(author), visibility=public, notify_followers=True, title="My dog"
        ),
    )
    return video_id


def wait_for_a_page(platform: Stack, video_id: uuid.UUID, dead: int) -> bool:
    """Until another process than the dead one has taken up a page; False where there is none left."""

    async def look() -> bool:
        connection = await asyncpg.connect(platform.dsn("notify"), timeout=10)
        try:
            async with asyncio.timeout(50):
                while True:
                    row = await connection.fetchrow("SELECT * FROM fanouts WHERE video_id = $1", video_id)
                    if row and row["status"] == "DONE":
                        return False
                    if row and row["lease_owner"] and not row["lease_owner"].endswith(f":{dead}"):
                        return True
                    await asyncio.sleep(0.003)
        finally:
            await connection.close()

    return bool(in_thread(look()))


def let_dead_leases_end(platform: Stack, pid: int) -> None:
    """Ten seconds pass for what a dead process held."""
    statement = "UPDATE fanouts SET lease_until = now() WHERE lease_until > now() AND lease_owner LIKE $1"
    execute(platform.dsn("notify"), statement, f"%:{pid}")


def is_done(platform: Stack, video_id: uuid.UUID) -> bool:
    rows = execute(platform.dsn("notify"), "SELECT status FROM fanouts WHERE video_id = $1", video_id)
    return bool(rows) and rows[0]["status"] == "DONE"
