"""The running process with all vendors: what reaches a browser, an Android phone and an iPhone, and what is logged.

The vendors' servers check the signatures and tokens by which the process makes itself known.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from push_receivers import Google, Vendored, fcm_error
from push_servers import Close, Reply, always, http1_server
from scratch import until

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from nextplay.catalog.v1.video_pb2 import Video
from tests.e2e.broker import send_event
from tests.e2e.conftest import MakePerson
from tests.e2e.notify_process import NotifyProcess, all_vendors, notify_process, settings_of
from tests.e2e.people import Person, execute


@dataclass
class World:
    """Notify's process and the vendors it sends to."""

    process: NotifyProcess
    vendors: list[Vendored]


@asynccontextmanager
async def running(platform: Stack, directory: Path, *, log_level: str = "INFO") -> AsyncIterator[World]:
    async with (
        all_vendors(directory) as vendors,
        notify_process(platform, settings_of(vendors), directory, log_level=log_level) as process,
    ):
        yield World(process, vendors)


def body_of(vendor: Vendored) -> dict[str, Any]:
    """What an app sends to register the device of a vendor."""
    address = vendor.address
    if address.keys:
        return {"web_push": {"endpoint": address.value, "p256dh": address.keys.p256dh, "auth": address.keys.auth}}
    return {str(address.vendor): {"token": address.value}}


async def register(somebody: Person, vendors: Sequence[Vendored]) -> None:
    for vendor in vendors:
        reply = await asyncio.to_thread(somebody.http.put, f"/v1/devices/{uuid.uuid4()}", json=body_of(vendor))
        assert reply.status_code == 200, reply.text


async def becomes_ready(platform: Stack, somebody: Person) -> str:
    video_id = str(uuid.uuid4())
    event = VideoStatusChanged(
        video_id=video_id, user_id=somebody.user_id, to_status=Video.READY, generation=1, title="My secret dog"
    )
    await asyncio.to_thread(send_event, platform, event)
    return video_id


def ended(platform: Stack, somebody: Person, *expected: tuple[str, str, str | None]) -> Callable[[], Any]:
    """Whether the deliveries to the person came to this: vendor, status and last error."""
    query = "SELECT vendor, status, last_error FROM deliveries WHERE user_id = $1"

    async def has_ended() -> bool:
        rows = await asyncio.to_thread(execute, platform.dsn("notify"), query, uuid.UUID(somebody.user_id))
        return {tuple(row) for row in rows} == set(expected)

    return has_ended


async def test_a_message_reaches_a_browser_an_android_phone_and_an_iphone(
    platform: Stack, person: MakePerson, tmp_path: Path
) -> None:
    alice = person("alice")
    async with running(platform, tmp_path) as world:
        await register(alice, world.vendors)
        await becomes_ready(platform, alice)
        delivered = [(str(vendor.vendor), "DELIVERED", None) for vendor in world.vendors]
        await until(ended(platform, alice, *delivered))
        reply = await asyncio.to_thread(alice.get, "/v1/notifications")
        [shown] = reply.json()["notifications"]
        for vendor in world.vendors:
            [copy] = vendor.copies
            assert (copy.title, copy.notification_id) == ("Video ready!", shown["notification_id"])
            assert vendor.address.value.endswith(copy.device)
        assert {seen.connection for seen in world.vendors[2].server.seen} == {1}


async def test_one_access_token_serves_a_process_and_a_refused_one_is_fetched_anew(
    platform: Stack, person: MakePerson, tmp_path: Path
) -> None:
    alice = person("alice")
    async with running(platform, tmp_path) as world:
        _, google, _ = world.vendors
        assert isinstance(google, Google)
        await register(alice, [google])
        for count in (1, 2):
            await becomes_ready(platform, alice)
            await until(came(google, count))
        assert google.granted == 1
        answers = iter([fcm_error(401, "UNAUTHENTICATED", None)])
        usual = google.server.answer
        google.server.answer = lambda seen: next(answers, None) or usual(seen) if seen.path != "/token" else usual(seen)
        await becomes_ready(platform, alice)
        await until(came(google, 3), seconds=60)
        assert google.granted == 2


def came(vendor: Vendored, count: int) -> Callable[[], Any]:
    async def has_come() -> bool:
        return len(vendor.copies) >= count

    return has_come


async def test_a_device_that_its_vendor_does_not_know_is_removed(
    platform: Stack, person: MakePerson, tmp_path: Path
) -> None:
    alice = person("alice")
    async with running(platform, tmp_path) as world:
        for vendor in world.vendors:
            vendor.behaviour = vendor.says["gone"]
        await register(alice, world.vendors)
        await becomes_ready(platform, alice)
        gone = [
            ("web_push", "FAILED", "HTTP_410"),
            ("fcm", "FAILED", "UNREGISTERED"),
            ("apns", "FAILED", "Unregistered"),
        ]
        await until(ended(platform, alice, *gone))
        reply = await asyncio.to_thread(alice.get, "/v1/devices")
        assert reply.json() == {"devices": []}


async def test_what_the_process_logs_holds_no_token_key_secret_or_address(
    platform: Stack, person: MakePerson, tmp_path: Path
) -> None:
    alice = person("alice")
    async with (
        running(platform, tmp_path, log_level="DEBUG") as world,
        http1_server(always(Reply(500, body=b"inner text of an endpoint"))) as receiver,
    ):
        await register(alice, world.vendors)
        url = f"http://127.0.0.1:{receiver.port}/hooks/secret-of-the-url?key=secret-of-the-query"
        created = (await asyncio.to_thread(alice.post, "/v1/webhooks", {"url": url})).json()
        refused = await asyncio.to_thread(alice.post, "/v1/webhooks", {"url": "https://a:secret-of-the-url@b.example/"})
        assert refused.status_code == 400, refused.text
        rotated = await asyncio.to_thread(alice.post, f"/v1/webhooks/{created['webhook']['webhook_id']}/rotate-secret")
        # Delivered, refused for a while, closed without an answer, and gone: each says something of its own.
        for count, say in enumerate((None, "down", "closes", "gone"), start=1):
            for vendor in world.vendors:
                usual = vendor.says.get(say or "", Reply())
                vendor.behaviour = Close() if say == "closes" else usual
            await becomes_ready(platform, alice)

            async def were_asked(count: int = count) -> bool:
                return all(len(vendor.copies) >= count for vendor in world.vendors)

            await until(were_asked, seconds=60)

        async def has_been_tried() -> bool:
            return bool(receiver.seen)

        await until(has_been_tried, seconds=60)
        await world.process.end()
        written = world.process.log.read_text()
        environment = world.process.environment
        secrets = [secret for vendor in world.vendors for secret in vendor.secrets]
        tokens = [
            seen.headers.get("authorization", "").rpartition(" ")[2] for v in world.vendors for seen in v.server.seen
        ]

    events = [json.loads(line)["event"] for line in written.splitlines() if line.startswith("{")]
    for expected in ("device_registered", "webhook_created", "push_failed"):
        assert expected in events, "the log tells of what was done"
    password = environment["NEXTPLAY_NOTIFY_POSTGRES_DSN"].partition("@")[0].rpartition(":")[2]
    secrets += [token for token in tokens if token]
    secrets += ["secret-of-the-url", "secret-of-the-query", "inner text of an endpoint", "My secret dog", "eyJ"]
    secrets += [created["secret"], rotated.json()["secret"], alice.http.headers["authorization"].partition(" ")[2]]
    secrets += [environment["NEXTPLAY_NOTIFY_WEBHOOK_KEY"], environment["NEXTPLAY_PAGE_TOKEN_KEY"], password]
    for secret in secrets:
        assert len(secret) >= 3
        assert secret not in written
