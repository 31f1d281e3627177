"""Notify that is killed while it tells many followers and while it pushes: each is told once, none is left out."""

import asyncio
import random
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from push_receivers import Copy, Vendored
from scratch import until

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished
from nextplay.catalog.v1.video_pb2 import Video
from tests.e2e.broker import send_event
from tests.e2e.notify_process import NotifyProcess, all_vendors, notify_process, settings_of
from tests.e2e.people import execute

LONGEST_LIFE_SECONDS = 0.15
"""After it took up a page, or sent a push: long enough for some to be done, short enough to hit each step of one."""


@dataclass
class Author:
    """Somebody with many followers, of whom some have a device; `devices` are the addresses with each vendor, as the
    vendor's server sees them."""

    platform: Stack
    user_id: uuid.UUID
    followers: int
    devices: list[set[str]]
    publications: list[uuid.UUID] = field(default_factory=list)

    async def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Of notify's database."""
        rows = await asyncio.to_thread(execute, self.platform.dsn("notify"), query, *values)
        return [tuple(row) for row in rows]

    async def publish(self) -> None:
        self.publications.append(video_id := uuid.uuid4())
        public = Video.Visibility.public
        event = VideoPublished(
            video_id=str(video_id), user_id=str(self.user_id), visibility=public, notify_followers=True, title="My dog"
        )
        await asyncio.to_thread(send_event, self.platform, event)

    async def was_told(self) -> bool:
        """Whether every follower was told of all publications, and every device too."""
        rows = await self.ask("SELECT count(*) FROM fanouts WHERE video_id = ANY ($1)", self.publications)
        waiting = (
            "SELECT (SELECT count(*) FROM fanouts WHERE video_id = ANY ($1) AND status <> 'DONE')"
            " + (SELECT count(*) FROM deliveries WHERE actor_user_id = $2 AND status = 'PENDING')"
        )
        return rows == [(len(self.publications),)] and await self.ask(waiting, self.publications, self.user_id) == [
            (0,)
        ]

    async def let_time_pass(self, pid: int) -> int:
        """What a dead process held is free, and every device has its turn again; how many pushes it held."""
        dead = f"%:{pid}"
        await self.ask("UPDATE fanouts SET lease_until = now() WHERE lease_owner LIKE $1", dead)
        await self.ask("UPDATE devices SET next_push_at = now() WHERE next_push_at > now()")
        held = await self.ask(
            "UPDATE deliveries SET lease_until = now() WHERE lease_owner LIKE $1 RETURNING delivery_id", dead
        )
        await self.ask(
            "UPDATE deliveries SET next_at = now() WHERE actor_user_id = $1 AND status = 'PENDING'", self.user_id
        )
        return len(held)


@asynccontextmanager
async def author_of(platform: Stack, vendors: list[Vendored], followers: int, devices: int) -> AsyncIterator[Author]:
    """Somebody whom so many follow; so many of them have a device with each vendor."""
    author = Author(platform, uuid.uuid4(), followers, [])
    in_catalog = partial(asyncio.to_thread, execute, platform.dsn("catalog"))
    insert = "INSERT INTO follows (follower_id, followed_id) SELECT gen_random_uuid(), $1 FROM generate_series(1, $2)"
    await in_catalog(insert, author.user_id, followers)
    found = await in_catalog(
        "SELECT follower_id FROM follows WHERE followed_id = $1 LIMIT $2", author.user_id, devices * len(vendors)
    )
    with_device = [row[0] for row in found]
    for number, vendor in enumerate(vendors):
        users = with_device[number * devices : (number + 1) * devices]
        addresses = [f"{vendor.address.value}{index:08}" for index in range(devices)]
        keys = vendor.address.keys
        await author.ask(
            "INSERT INTO devices (device_id, user_id, vendor, address, host, keys) "
            "SELECT gen_random_uuid(), user_id, $3, address, $4, $5 FROM unnest($1::uuid[], $2::text[]) "
            "AS given (user_id, address)",
            *(users, addresses, str(vendor.vendor), vendor.address.host),
            f'{{"p256dh": "{keys.p256dh}", "auth": "{keys.auth}"}}' if keys else "{}",
        )
        prefix = f"http://127.0.0.1:{vendor.server.port}"
        author.devices.append({address.removeprefix(prefix) for address in addresses})
    try:
        yield author
    finally:
        await in_catalog("DELETE FROM follows WHERE followed_id = $1", author.user_id)
        await author.ask("DELETE FROM fanouts WHERE video_id = ANY ($1)", author.publications)
        await author.ask("DELETE FROM devices WHERE user_id = ANY ($1)", with_device)
        await author.ask("DELETE FROM deliveries WHERE actor_user_id = $1", author.user_id)
        await author.ask("DELETE FROM notifications WHERE actor_user_id = $1", author.user_id)
        await author.ask("DELETE FROM allowance_uses WHERE subject_id = ANY ($1)", with_device)


@pytest.mark.parametrize(
    ("kills", "followers", "devices"),
    [(4, 3_000, 60), pytest.param(50, 10_000, 160, marks=pytest.mark.long)],
    ids=["few", "many"],
)
async def test_however_often_notify_is_killed_everybody_is_told_once(
    kills: int, followers: int, devices: int, platform: Stack, tmp_path: Path
) -> None:
    async with (
        all_vendors(tmp_path) as vendors,
        author_of(platform, vendors, followers, devices) as author,
        notify_process(platform, settings_of(vendors), tmp_path) as process,
    ):
        held = 0
        for number in range(kills):
            if await author.was_told():
                await author.publish()
            await (a_page_is_written(author, process) if number % 2 else a_push_arrives(author, vendors))
            await asyncio.sleep(random.uniform(0, LONGEST_LIFE_SECONDS))
            await process.end(signal.SIGKILL)
            held += await author.let_time_pass(process.pid)
            await process.start()
        assert held > 0, "a process was killed in the middle of sending"

        async def all_are_told() -> bool:
            await author.let_time_pass(0)
            return await author.was_told()

        await until(all_are_told, seconds=120)
        told = "SELECT count(*), count(DISTINCT user_id) FROM notifications WHERE video_id = $1 AND in_app"
        for video_id in author.publications:
            assert await author.ask(told, video_id) == [(followers, followers)]
        for vendor, addresses in zip(vendors, author.devices, strict=True):
            await check_copies(author, vendor, addresses)


async def check_copies(author: Author, vendor: Vendored, addresses: set[str]) -> None:
    """Each device shows each of its user's notifications once: copies of one have the same collapse key, by which the
    device keeps one of them, and others have others."""
    query = (
        "SELECT count(*), count(DISTINCT notification_id) FROM deliveries "
        "WHERE actor_user_id = $1 AND vendor = $2 AND status = 'DELIVERED'"
    )
    expected = len(author.publications) * len(addresses)
    assert await author.ask(query, author.user_id, str(vendor.vendor)) == [(expected, expected)]
    shown: dict[tuple[str, str], Copy] = {}
    for copy in vendor.copies:
        assert shown.setdefault((copy.device, copy.collapse_key), copy) == copy, "a copy replaces its like"
    assert len({copy.notification_id for copy in shown.values()}) == len(shown) == expected
    assert Counter(copy.device for copy in shown.values()) == dict.fromkeys(addresses, len(author.publications))


async def a_page_is_written(author: Author, process: NotifyProcess) -> None:
    """Until this life has taken up a page, of another publication where there is none left."""

    async def is_taken_up() -> bool:
        rows = await author.ask(
            "SELECT status, coalesce(lease_owner LIKE $2, false) FROM fanouts WHERE video_id = $1",
            *(author.publications[-1], f"%:{process.pid}"),
        )
        if rows and rows[0][0] == "DONE":
            await author.publish()
        return bool(rows and rows[0][1])

    await often(is_taken_up)


async def a_push_arrives(author: Author, vendors: list[Vendored]) -> None:
    """Until one has arrived in this life, of another publication where there is none left."""
    before = sum(len(vendor.copies) for vendor in vendors)

    async def has_arrived() -> bool:
        if sum(len(vendor.copies) for vendor in vendors) > before:
            return True
        if await author.was_told():
            await author.publish()
        return False

    await often(has_arrived)


async def often(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what lasts a moment."""
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.005)
