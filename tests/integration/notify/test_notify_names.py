"""Names that strangers gave us, asked of a real name server: one that never answers, and one that changes its mind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID, uuid4

import pytest
from name_server import NameServer, name_server
from push_receivers import Browser, a_push
from push_servers import Reply, Server, always, http1_server
from scratch import until

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.errors import InvalidArgument
from chassis.postgres import Pool
from chassis.transaction import transactions
from nextplay.notify.v1 import devices_service_pb2, webhooks_service_pb2
from services.notify.addresses import (
    AddressRefused,
    NotResolved,
    Resolve,
    Rules,
    check_url,
    host_of_field,
    open_client,
    open_resolver,
    open_transport,
)
from services.notify.channels.web_push import WebPush, vapid
from services.notify.domain.delivery import Delivered
from services.notify.domain.device import Address, Vendor
from services.notify.domain.webhooks import Attempt, Dispatch
from services.notify.repository import open_store
from services.notify.servicer.devices import Devices
from services.notify.servicer.webhooks import Webhooks
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

LOCAL = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])
CONTEXT = None
SEALS = Seals(bytes(32))
VAPID = vapid("A" * 42 + "E", "mailto:ops@nextplay.example")
MANY = 400
"""Look-ups of one user at once: far more than a pool of threads would have."""


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    async with name_server() as server:
        yield server


@pytest.fixture
async def resolve(names: NameServer) -> AsyncIterator[Resolve]:
    async with open_resolver([names.address]) as opened:
        yield opened


@pytest.fixture
async def receiver(names: NameServer) -> AsyncIterator[Server]:
    """Somebody's server, called `hooks.example`."""
    names.known["hooks.example"] = "127.0.0.1"
    async with http1_server(always(Reply(201))) as server:
        yield server


async def send_webhook(resolve: Resolve, url: str, rules: Rules = LOCAL) -> Attempt:
    webhook_id = uuid4()
    one = Dispatch(
        delivery_id=uuid4(),
        webhook_id=webhook_id,
        user_id=uuid4(),
        url=url,
        host="hooks.example",
        event_type="video.ready",
        payload="{}",
        fence=1,
        attempts=1,
        secret=SEALS.seal(webhook_id, bytes(32)),
        old_secret=None,
        was_failing=False,
        age_seconds=0.0,
    )
    async with open_transport(rules, resolve) as transport:
        return await sender(transport, SEALS.unseal, utc_now)(one)


async def register_webhook(pool: Pool, resolve: Resolve, user_id: UUID, url: str) -> None:
    begin = transactions(pool, open_store, lambda: None)
    host_of = host_of_field("url", LOCAL, resolve)
    webhooks = Webhooks(pool, begin, host_of, SEALS.seal, SEALS.unseal, lambda: None, b"page key", utc_now)
    with acting_as(User(user_id, "free")):
        await webhooks.CreateWebhook(webhooks_service_pb2.CreateWebhookRequest(url=url), CONTEXT)


async def register_browser(pool: Pool, resolve: Resolve, user_id: UUID, url: str) -> None:
    begin = transactions(pool, open_store, lambda: None)
    devices = Devices(pool, begin, host_of_field("web_push.endpoint", LOCAL, resolve), VAPID.public_key)
    keys = Browser().keys
    subscription = devices_service_pb2.WebPushSubscription(endpoint=url, p256dh=keys.p256dh, auth=keys.auth)
    request = devices_service_pb2.RegisterDeviceRequest(device_id=str(uuid4()), web_push=subscription)
    with acting_as(User(user_id, "free")):
        await devices.RegisterDevice(request, CONTEXT)


async def test_a_name_has_the_addresses_that_its_name_server_tells(names: NameServer, resolve: Resolve) -> None:
    names.known["hooks.example"] = "93.184.216.34"
    assert await resolve("hooks.example") == [ip_address("93.184.216.34")]
    with pytest.raises(OSError, match="no address"):
        await resolve("unknown.example")
    assert set(names.asked) == {"hooks.example", "unknown.example"}, "names are asked for as they are"


async def test_the_system_s_own_names_are_known() -> None:
    async with open_resolver() as resolve:
        assert ip_address("127.0.0.1") in await resolve("localhost")


async def test_names_without_an_answer_delay_nobody_else(
    names: NameServer, resolve: Resolve, receiver: Server, pool: Pool
) -> None:
    names.silent = ("silent.example",)
    looked_up = [
        asyncio.create_task(check_url(f"http://{number}.silent.example/", LOCAL, resolve)) for number in range(MANY)
    ]

    async def all_were_asked() -> bool:
        return len({name for name in names.asked if name.endswith("silent.example")}) == MANY

    await until(all_were_asked)
    bob, url = uuid4(), f"http://hooks.example:{receiver.port}/send"
    async with open_client(LOCAL, resolve) as client:
        push = a_push(Address(Vendor.WEB_PUSH, url, "hooks.example", Browser().keys))
        steps: list[Coroutine[Any, Any, Any]] = [
            register_webhook(pool, resolve, bob, url),
            register_browser(pool, resolve, bob, url),
            send_webhook(resolve, url),
            WebPush(client, VAPID).deliver(push),
        ]
        _, _, attempt, outcome = await asyncio.gather(*steps)
    assert (attempt.http_status, outcome) == (201, Delivered())
    assert not any(task.done() for task in looked_up), "they wait, and nobody waited for them"
    ends = await asyncio.gather(*looked_up, return_exceptions=True)
    assert {type(end) for end in ends} == {NotResolved}


@pytest.mark.parametrize("register", [register_webhook, register_browser])
async def test_a_name_without_an_answer_is_refused_with_its_field(
    names: NameServer, resolve: Resolve, pool: Pool, register: Callable[..., Awaitable[None]]
) -> None:
    names.silent = ("silent.example",)
    with pytest.raises(InvalidArgument) as refused:
        await register(pool, resolve, uuid4(), "http://a.silent.example/")
    [field] = refused.value.fields
    assert field.field in ("url", "web_push.endpoint")
    assert "a host that the DNS knows" in field.message


@pytest.mark.parametrize("register", [register_webhook, register_browser])
async def test_a_name_that_leads_inside_is_refused_with_its_field(
    names: NameServer, resolve: Resolve, pool: Pool, register: Callable[..., Awaitable[None]]
) -> None:
    names.known["inside.example"] = "10.0.0.7"
    with pytest.raises(InvalidArgument) as refused:
        await register(pool, resolve, uuid4(), "https://inside.example/")
    assert "with public addresses alone" in str(refused.value)


async def test_a_name_that_changes_between_check_and_connection_opens_nothing_inside(
    names: NameServer, resolve: Resolve, receiver: Server
) -> None:
    public, url = Rules(allow_http=True), f"http://changing.example:{receiver.port}/"
    names.known["changing.example"] = "93.184.216.34"
    await check_url(url, public, resolve)
    names.known["changing.example"] = "127.0.0.1"
    attempt = await send_webhook(resolve, url, public)
    assert (attempt.http_status, attempt.error) == (None, "NO_PUBLIC_ADDRESS")
    async with open_client(public, resolve) as client:
        with pytest.raises(AddressRefused):
            await client.post(url)
    assert receiver.seen == []


async def test_the_end_of_the_process_waits_for_no_answer(names: NameServer) -> None:
    names.silent = ("silent.example",)
    async with open_resolver([names.address]) as resolve:
        waiting = asyncio.ensure_future(resolve("a.silent.example"))

        async def was_asked() -> bool:
            return bool(names.asked)

        await until(was_asked)
    async with asyncio.timeout(1):
        with pytest.raises(OSError, match="no address"):
            await waiting
