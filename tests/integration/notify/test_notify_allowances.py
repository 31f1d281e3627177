"""What a user may do so often and no more: counted in the database, for all processes."""

import asyncio
import contextlib
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest
from notify_world import apply, came_to
from push_receivers import Browser
from scratch import Scratch

from chassis.auth import User, acting_as
from chassis.clock import utc_now
from chassis.paging import START
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from nextplay.notify.v1 import devices_service_pb2, webhooks_service_pb2
from services.notify.addresses import Address, Rules, host_of_field
from services.notify.domain.allowances import DEVICE_REGISTRATIONS, RESENDS, WEBHOOK_CHANGES, Allowance, TooOften
from services.notify.ports import Begin
from services.notify.reads.webhooks import list_deliveries
from services.notify.repository import open_store
from services.notify.servicer import webhooks as servicer
from services.notify.servicer.devices import Devices
from services.notify.servicer.webhooks import Webhooks
from services.notify.usecases import allowances
from services.notify.webhooks.sealing import Seals

CONTEXT = None
THREE = Allowance("greetings", "greetings", 3, 60.0)


class Names:
    """A DNS that knows every name; `asked` are those it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def resolve(self, name: str) -> list[Address]:
        self.asked.append(name)
        return [ip_address("93.184.215.14")]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def webhooks(pool: Pool, begin: Begin, names: Names) -> Webhooks:
    seals = Seals(bytes(32))
    host_of = host_of_field("url", Rules(), names.resolve)
    return Webhooks(pool, begin, host_of, seals.seal, seals.unseal, lambda: None, b"page key", utc_now)


@pytest.fixture
def devices(pool: Pool, begin: Begin, names: Names) -> Devices:
    return Devices(pool, begin, host_of_field("web_push.endpoint", Rules(), names.resolve), "the key")


@pytest.fixture(autouse=True)
def called_by_alice(alice: UUID) -> None:
    """Every test of this file is a user's calls."""


async def use(begin: Begin, subject_id: UUID, allowance: Allowance = THREE) -> None:
    async with begin() as tx:
        await allowances.use(tx, subject_id, allowance)


async def pass_time(pool: Pool, seconds: float) -> None:
    await pool.execute("UPDATE allowance_uses SET next_at = next_at - make_interval(secs => $1)", seconds)


async def test_so_many_are_taken_at_once_and_one_for_each_interval(pool: Pool, begin: Begin) -> None:
    somebody = uuid4()
    for _ in range(3):
        await use(begin, somebody)
    with pytest.raises(TooOften) as refused:
        await use(begin, somebody)
    assert str(refused.value) == (
        "3 greetings are accepted at once, which is the limit, and one every 60 seconds from then on; "
        "the next is accepted in 60 seconds."
    )
    assert refused.value.retry_after == 60
    await use(begin, uuid4())
    await pass_time(pool, 60.0)
    await use(begin, somebody)
    with pytest.raises(TooOften):
        await use(begin, somebody)
    await pass_time(pool, 3_600.0)
    for _ in range(3):
        await use(begin, somebody)
    with pytest.raises(TooOften):
        await use(begin, somebody)


async def test_of_many_at_once_in_two_processes_so_many_are_taken(begin: Begin, scratched: Scratch) -> None:
    somebody = uuid4()
    async with open_pool(scratched.dsn, application_name="another process") as other:
        processes = [begin, transactions(other, open_store, lambda: None)]
        ends = await asyncio.gather(
            *(use(processes[number % 2], somebody) for number in range(20)), return_exceptions=True
        )
    assert [end for end in ends if end is None] == [None] * 3
    assert {type(end) for end in ends if end} == {TooOften}


async def test_what_is_not_committed_is_not_counted(begin: Begin) -> None:
    somebody = uuid4()
    for _ in range(5):
        with contextlib.suppress(LookupError):
            async with begin() as tx:
                await allowances.use(tx, somebody, THREE)
                raise LookupError
    await use(begin, somebody)


async def test_what_says_nothing_any_more_is_forgotten(pool: Pool, begin: Begin) -> None:
    busy, idle = uuid4(), uuid4()
    await use(begin, idle)
    await pass_time(pool, 61.0)
    await use(begin, busy)
    assert await allowances.forget_uses(begin) == 1
    assert await pool.fetchval("SELECT subject_id FROM allowance_uses") == busy


async def test_registrations_and_changes_of_webhooks_are_limited_before_the_dns_is_asked(
    webhooks: Webhooks, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = webhooks_service_pb2.CreateWebhookRequest(url="https://hooks.example/")
    monkeypatch.setattr(servicer, "idempotency_key", lambda: "a key")
    created = await webhooks.CreateWebhook(create, CONTEXT)
    for _ in range(30):
        assert await webhooks.CreateWebhook(create, CONTEXT) == created, "a repeat is not counted"
    monkeypatch.setattr(servicer, "idempotency_key", lambda: None)
    replace = webhooks_service_pb2.ReplaceWebhookRequest(webhook_id=created.webhook.webhook_id, url=create.url)
    for _ in range(WEBHOOK_CHANGES.at_once - 1):
        await webhooks.ReplaceWebhook(replace, CONTEXT)
    asked = len(names.asked)
    with pytest.raises(TooOften):
        await webhooks.ReplaceWebhook(replace, CONTEXT)
    with pytest.raises(TooOften):
        await webhooks.CreateWebhook(create, CONTEXT)
    assert len(names.asked) == asked
    with acting_as(User(uuid4(), "free")):
        await webhooks.CreateWebhook(create, CONTEXT)


async def test_registrations_of_devices_are_limited_before_the_dns_is_asked(devices: Devices, names: Names) -> None:
    keys = Browser().keys
    request = devices_service_pb2.RegisterDeviceRequest(
        device_id=str(uuid4()),
        web_push=devices_service_pb2.WebPushSubscription(
            endpoint="https://push.example/", p256dh=keys.p256dh, auth=keys.auth
        ),
    )
    for _ in range(DEVICE_REGISTRATIONS.at_once):
        await devices.RegisterDevice(request, CONTEXT)
    with pytest.raises(TooOften):
        await devices.RegisterDevice(request, CONTEXT)
    assert len(names.asked) == DEVICE_REGISTRATIONS.at_once
    with acting_as(User(uuid4(), "free")):
        request.device_id = str(uuid4())
        await devices.RegisterDevice(request, CONTEXT)


async def test_deliveries_that_are_sent_again_are_limited_and_those_under_way_are_not_counted(
    webhooks: Webhooks, pool: Pool, begin: Begin, alice: UUID
) -> None:
    created = await webhooks.CreateWebhook(
        webhooks_service_pb2.CreateWebhookRequest(url="https://hooks.example/"), CONTEXT
    )
    webhook_id = UUID(created.webhook.webhook_id)
    await apply(begin, came_to("READY", owner=alice))
    [delivery] = await list_deliveries(pool, webhook_id, alice, START, 100)
    again = webhooks_service_pb2.ResendWebhookDeliveryRequest(
        webhook_id=str(webhook_id), delivery_id=str(delivery.delivery_id)
    )
    for _ in range(RESENDS.at_once + 1):
        await webhooks.ResendWebhookDelivery(again, CONTEXT)
    for _ in range(RESENDS.at_once):
        await pool.execute("UPDATE webhook_deliveries SET status = 'FAILED', ended_at = now()")
        await webhooks.ResendWebhookDelivery(again, CONTEXT)
    await pool.execute("UPDATE webhook_deliveries SET status = 'FAILED', ended_at = now()")
    with pytest.raises(TooOften):
        await webhooks.ResendWebhookDelivery(again, CONTEXT)
    assert await pool.fetchval("SELECT status FROM webhook_deliveries") == "FAILED"
