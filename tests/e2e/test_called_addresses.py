"""Which addresses the running process calls, with the rules of a cluster and a name server of the test's."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from name_server import NameServer, name_server
from push_receivers import Browser
from push_servers import Reply, Server, always, http1_server
from scratch import until

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from nextplay.catalog.v1.video_pb2 import Video
from tests.e2e.broker import send_event
from tests.e2e.conftest import MakePerson
from tests.e2e.notify_process import notify_process
from tests.e2e.people import Person, execute

PUBLIC = "93.184.216.34"
INSIDE = [
    "http://[::ffff:127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::1]/",
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://169.254.169.254/",
    "https://inside.example/",
    "https://unknown.example/",
]


@dataclass
class World:
    """The platform, whose notify knows the names that a test tells, and somebody's server on this machine."""

    platform: Stack
    names: NameServer
    server: Server


@pytest.fixture
async def world(platform: Stack, tmp_path: Path) -> AsyncIterator[World]:
    async with name_server() as names, http1_server(always(Reply(200))) as server:
        settings = {
            "NEXTPLAY_NOTIFY_CALLED_ALLOW_HTTP": "false",
            "NEXTPLAY_NOTIFY_CALLED_NETWORKS": "[]",
            "NEXTPLAY_NOTIFY_CALLED_NAME_SERVERS": json.dumps([names.address]),
        }
        async with notify_process(platform, settings, tmp_path):
            yield World(platform, names, server)


async def register_webhook(somebody: Person, url: str) -> httpx.Response:
    return await asyncio.to_thread(somebody.post, "/v1/webhooks", {"url": url})


async def register_browser(somebody: Person, url: str) -> httpx.Response:
    keys = Browser().keys
    body = {"web_push": {"endpoint": url, "p256dh": keys.p256dh, "auth": keys.auth}}
    return await asyncio.to_thread(somebody.http.put, f"/v1/devices/{uuid.uuid4()}", json=body)


async def rows(platform: Stack, query: str, *values: object) -> list[tuple[Any, ...]]:
    found = await asyncio.to_thread(execute, platform.dsn("notify"), query, *values)
    return [tuple(row) for row in found]


async def test_what_leads_inside_is_400_with_the_field(world: World, person: MakePerson) -> None:
    world.names.known["inside.example"] = "127.0.0.1"
    alice = person("alice")
    sentences = set()
    for url in INSIDE:
        for field, reply in (
            ("url", await register_webhook(alice, url)),
            ("web_push.endpoint", await register_browser(alice, url)),
        ):
            assert (reply.status_code, reply.json()["code"]) == (400, "INVALID_ARGUMENT"), url
            [error] = reply.json()["errors"]
            assert error["field"] == field
            if url.endswith(".example/"):
                sentences.add(error["message"])
    assert len(sentences) == 1, "a name inside and one that is unknown are not told apart"


async def test_a_name_that_leads_inside_after_it_was_checked_is_not_called(world: World, person: MakePerson) -> None:
    alice, platform = person("alice"), world.platform
    world.names.known["changing.example"] = PUBLIC
    url = f"https://changing.example:{world.server.port}/"
    created, registered = await register_webhook(alice, url), await register_browser(alice, url)
    assert (created.status_code, registered.status_code) == (200, 200), created.text
    world.names.known["changing.example"] = "127.0.0.1"
    event = VideoStatusChanged(
        video_id=str(uuid.uuid4()), user_id=alice.user_id, to_status=Video.READY, generation=1, title="My dog"
    )
    await asyncio.to_thread(send_event, platform, event)
    user_id = uuid.UUID(alice.user_id)

    async def both_were_tried() -> bool:
        pushes = await rows(platform, "SELECT status, last_error FROM deliveries WHERE user_id = $1", user_id)
        reply = await asyncio.to_thread(alice.get, f"/v1/webhooks/{created.json()['webhook']['webhook_id']}/deliveries")
        attempts = [attempt.get("error_code") for one in reply.json()["deliveries"] for attempt in one["attempts"]]
        return pushes == [("FAILED", "ADDRESS_REFUSED")] and "NO_PUBLIC_ADDRESS" in attempts

    await until(both_were_tried, seconds=60)
    assert world.server.connections == 0


async def test_whose_names_are_never_answered_delays_nobody_else(world: World, person: MakePerson) -> None:
    world.names.silent = ("silent.example",)
    world.names.known["hooks.example"] = PUBLIC
    alice, bob = person("alice"), person("bob")
    keys = Browser().keys
    async with httpx.AsyncClient(base_url=alice.http.base_url, headers=alice.http.headers, timeout=20) as http:
        urls = [f"https://{number}.silent.example/" for number in range(60)]
        waiting = [asyncio.create_task(http.post("/v1/webhooks", json={"url": url})) for url in urls[:20]]
        for url in urls[20:]:
            body = {"web_push": {"endpoint": url, "p256dh": keys.p256dh, "auth": keys.auth}}
            waiting.append(asyncio.create_task(http.put(f"/v1/devices/{uuid.uuid4()}", json=body)))

        async def all_were_asked() -> bool:
            return len({name for name in world.names.asked if name.endswith("silent.example")}) == len(urls)

        await until(all_were_asked)
        for register in (register_webhook, register_browser):
            assert (await register(bob, "https://hooks.example/")).status_code == 200
        assert not all(task.done() for task in waiting)
        replies = await asyncio.gather(*waiting)
    assert {reply.status_code for reply in replies} == {400}
