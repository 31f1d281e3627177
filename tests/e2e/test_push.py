"""Web Push on the whole platform: a browser subscribes, is told once, and what happens when it is gone or notify dies.

The browser and its push service are of this test; all between them and the upload is the platform's.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from push_receivers import Browser
from push_servers import Behaviour, Hang, Reply, Seen, Server, http1_server
from scratch import until

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from nextplay.catalog.v1.video_pb2 import Video
from tests.e2e.broker import send_event
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person


@dataclass
class Subscribed:
    """A person's browser, its push service, and how that answers."""

    person: Person
    device_id: str
    browser: Browser
    server: Server
    behaviour: Behaviour = field(default_factory=lambda: Reply(201))

    def messages(self) -> list[dict[str, Any]]:
        """What came, decrypted, each with its Topic."""
        return [self.browser.decrypt(seen.body) | {"topic": seen.headers["topic"]} for seen in self.server.seen]

    async def came(self, count: int, *, seconds: float = 30) -> None:
        async def has_come() -> bool:
            return len(self.server.seen) >= count

        await until(has_come, seconds=seconds)


@asynccontextmanager
async def subscribed(person: Person) -> AsyncIterator[Subscribed]:
    """Somebody whose browser subscribed with the platform's key."""
    async with http1_server(lambda seen: one.behaviour) as server:
        one = Subscribed(person, str(uuid.uuid4()), Browser(), server)
        keys = one.browser.keys
        endpoint = f"http://127.0.0.1:{server.port}/send/{one.device_id}"
        reply = person.http.put(
            f"/v1/devices/{one.device_id}",
            json={"web_push": {"endpoint": endpoint, "p256dh": keys.p256dh, "auth": keys.auth}},
        )
        assert reply.status_code == 200, reply.text
        assert reply.json()["device"]["host"] == f"127.0.0.1:{server.port}"
        yield one


def becomes_ready(platform: Stack, person: Person) -> str:
    """A video of the person is ready; its id."""
    video_id = str(uuid.uuid4())
    event = VideoStatusChanged(
        video_id=video_id, user_id=person.user_id, to_status=Video.READY, generation=1, title="My dog"
    )
    send_event(platform, event)
    return video_id


async def deliveries(platform: Stack, person: Person) -> list[tuple[str, str | None]]:
    """Status and last error of what was to be pushed to the person."""
    connection = await asyncpg.connect(platform.dsn("notify"))
    try:
        query = "SELECT status, last_error FROM deliveries WHERE user_id = $1 ORDER BY delivery_id"
        return [tuple(row) for row in await connection.fetch(query, uuid.UUID(person.user_id))]
    finally:
        await connection.close()


def ended(platform: Stack, person: Person, *expected: tuple[str, str | None]) -> Callable[[], Any]:
    async def has_ended() -> bool:
        return await deliveries(platform, person) == list(expected)

    return has_ended


async def test_a_browser_that_subscribed_is_told_once_in_words_it_alone_can_read(
    platform: Stack, person: MakePerson
) -> None:
    alice = person("alice")
    reply = alice.get("/v1/devices/web-push-key")
    assert reply.status_code == 200, reply.text
    async with subscribed(alice) as one:
        video_id = becomes_ready(platform, alice)
        await until(ended(platform, alice, ("DELIVERED", None)))
        [message] = one.messages()
        assert (message["title"], message["kind"], message["video_id"]) == ("Video ready!", "video_ready", video_id)
        shown = alice.get("/v1/notifications").json()["notifications"]
        assert [entry["notification_id"] for entry in shown] == [message["notification_id"]]
        url = f"http://127.0.0.1:{platform.ports['notify-metrics']}/metrics"
        told = (await asyncio.to_thread(httpx.get, url, timeout=20)).text
        for metric in ("delivery_attempts_total", "oldest_delivery_seconds", "delivery_hosts_left_alone"):
            assert f"{metric}{{" in told
        check_signature(one.server.seen[0], reply.json()["public_key"], f"http://127.0.0.1:{one.server.port}")


def check_signature(seen: Seen, public_key: str, audience: str) -> None:
    """By RFC 8292, with the key that the browser subscribed with."""
    parts = dict(part.strip().split("=", 1) for part in seen.headers["authorization"].removeprefix("vapid ").split(","))
    assert parts["k"] == public_key
    point = jwt.utils.base64url_decode(public_key)
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    assert jwt.decode(parts["t"], key, algorithms=["ES256"], audience=audience)["sub"].startswith("mailto:")


async def test_a_subscription_that_is_gone_is_removed(platform: Stack, person: MakePerson) -> None:
    alice = person("alice")
    async with subscribed(alice) as one:
        one.behaviour = Reply(410)
        becomes_ready(platform, alice)
        await until(ended(platform, alice, ("FAILED", "HTTP_410")))
        assert alice.get("/v1/devices").json() == {"devices": []}


async def test_a_device_that_was_removed_is_told_nothing(platform: Stack, person: MakePerson) -> None:
    alice = person("alice")
    async with subscribed(alice) as one:
        for _ in range(2):
            assert alice.delete(f"/v1/devices/{one.device_id}").status_code == 204
        video_id = becomes_ready(platform, alice)

        async def is_in_the_inbox() -> bool:
            shown = alice.get("/v1/notifications").json()["notifications"]
            return [entry["video_id"] for entry in shown] == [video_id]

        await until(is_in_the_inbox)
        assert await deliveries(platform, alice) == []
        assert one.server.seen == []


async def test_notify_killed_before_it_hears_the_answer_sends_what_looks_like_the_same(
    platform: Stack, person: MakePerson
) -> None:
    alice = person("alice")
    async with subscribed(alice) as one:
        one.behaviour = Hang()
        becomes_ready(platform, alice)
        await one.came(1)
        pid = platform.pid("notify")
        platform.kill("notify")
        one.behaviour = Reply(201)
        await asyncio.to_thread(platform.wait_ready, "notify", other_than=pid)
        await until(ended(platform, alice, ("DELIVERED", None)), seconds=90)
        first, second = one.messages()
        assert first == second


def test_the_job_that_ends_old_deliveries_runs(platform: Stack) -> None:
    platform.run_job("notify-end-old-deliveries")


def test_a_phone_without_its_vendor_is_registered_and_what_it_misses_is_told_with_the_reason(
    platform: Stack, person: MakePerson
) -> None:
    alice = person("alice")
    reply = alice.http.put(f"/v1/devices/{uuid.uuid4()}", json={"apns": {"token": uuid.uuid4().hex * 2}})
    assert reply.status_code == 200, reply.text
    becomes_ready(platform, alice)
    asyncio.run(until(ended(platform, alice, ("FAILED", "CHANNEL_OFF"))))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["web_push"]),
        ({"fcm": {"token": "short"}}, ["fcm.token"]),
        ({"apns": {"token": "g" * 64}}, ["apns.token"]),
        (
            {"web_push": {"endpoint": "https://10.0.0.1/", "p256dh": "A", "auth": "A"}},
            ["web_push.p256dh", "web_push.auth"],
        ),
        ({"web_push": {"endpoint": "https://10.0.0.1/"}}, ["web_push.p256dh", "web_push.auth"]),
        ({"web_push": "https://10.0.0.1/"}, ["web_push"]),
        ({"fcm": {"token": "a" * 40}, "apns": {"token": "a" * 64}}, ["web_push"]),
    ],
)
def test_what_is_no_device_is_answered_with_its_fields(
    person: MakePerson, body: dict[str, Any], fields: list[str]
) -> None:
    reply = person("alice").http.put(f"/v1/devices/{uuid.uuid4()}", json=body)
    assert reply.status_code == 400, reply.text
    assert sorted({wrong["field"] for wrong in reply.json()["errors"]}) == sorted(fields)
