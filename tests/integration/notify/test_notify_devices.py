"""Devices through the servicer: registered, replaced, moved, listed, removed, and what is no address of one."""

import asyncio
import socket
from ipaddress import ip_address
from uuid import UUID, uuid4

import pytest
from push_receivers import APNS_TOKEN, FCM_TOKEN, Browser, base64url

from chassis.auth import User, acting_as
from chassis.errors import InvalidArgument
from chassis.postgres import Pool
from chassis.transaction import transactions
from nextplay.notify.v1 import devices_service_pb2 as messages
from services.notify.addresses import Address as IpAddress
from services.notify.addresses import Rules, host_of_field
from services.notify.domain.device import DeviceNotFound, TooManyDevices, WebPushOff
from services.notify.repository import open_store
from services.notify.servicer.devices import Devices

CONTEXT = None
ENDPOINT = "https://push.example.com/send/secret"


async def resolve(name: str) -> list[IpAddress]:
    """As the DNS would; `inside.example.com` leads into a private network."""
    if name == "push.example.com":
        return [ip_address("93.184.215.14")]
    if name == "inside.example.com":
        return [ip_address("93.184.215.14"), ip_address("10.0.0.7")]
    raise socket.gaierror


@pytest.fixture
def devices(pool: Pool) -> Devices:
    return Devices(
        pool,
        transactions(pool, open_store, lambda: None),
        host_of_field("web_push.endpoint", Rules(), resolve),
        "the key",
    )


def browser(device_id: UUID | None = None, endpoint: str = ENDPOINT) -> messages.RegisterDeviceRequest:
    keys = Browser().keys
    web_push = messages.WebPushSubscription(endpoint=endpoint, p256dh=keys.p256dh, auth=keys.auth)
    return messages.RegisterDeviceRequest(device_id=str(device_id or uuid4()), web_push=web_push)


def android(token: str = FCM_TOKEN, device_id: UUID | None = None) -> messages.RegisterDeviceRequest:
    return messages.RegisterDeviceRequest(
        device_id=str(device_id or uuid4()), fcm=messages.FcmRegistration(token=token)
    )


def iphone(token: str = APNS_TOKEN) -> messages.RegisterDeviceRequest:
    return messages.RegisterDeviceRequest(device_id=str(uuid4()), apns=messages.ApnsRegistration(token=token))


async def listed(devices: Devices) -> list[tuple[str, str]]:
    """Vendor and host of the caller's devices, latest first."""
    reply = await devices.ListDevices(messages.ListDevicesRequest(), CONTEXT)
    return [(messages.Device.Vendor.Name(device.vendor), device.host) for device in reply.devices]


async def wait_for(pool: Pool, user_id: UUID, device_id: str) -> UUID:
    """A delivery that waits for the device."""
    delivery_id = uuid4()
    await pool.execute(
        """
        INSERT INTO deliveries (
            delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, vendor, host
        )
        SELECT $1, $2, $3, 'video_ready', $2, $3, device_id, vendor, host FROM devices WHERE device_id = $4
        """,
        delivery_id,
        uuid4(),
        user_id,
        UUID(device_id),
    )
    return delivery_id


async def status(pool: Pool, delivery_id: UUID) -> str:
    told: str = await pool.fetchval("SELECT status FROM deliveries WHERE delivery_id = $1", delivery_id)
    return told


async def test_devices_of_all_vendors_are_registered_and_listed_without_their_addresses(
    devices: Devices, alice: UUID
) -> None:
    for request in (browser(), android(), iphone()):
        reply = await devices.RegisterDevice(request, CONTEXT)
        assert reply.device.device_id == request.device_id
    assert await listed(devices) == [
        ("apns", "api.push.apple.com"),
        ("fcm", "fcm.googleapis.com"),
        ("web_push", "push.example.com"),
    ]
    shown = str(await devices.ListDevices(messages.ListDevicesRequest(), CONTEXT))
    assert not [secret for secret in ("secret", FCM_TOKEN, APNS_TOKEN) if secret in shown]


async def test_registering_again_replaces_and_leads_what_waits_to_where_the_device_is_now(
    devices: Devices, pool: Pool, alice: UUID
) -> None:
    request = browser()
    await devices.RegisterDevice(request, CONTEXT)
    waiting = await wait_for(pool, alice, request.device_id)
    await devices.RegisterDevice(android(device_id=UUID(request.device_id)), CONTEXT)
    assert await listed(devices) == [("fcm", "fcm.googleapis.com")]
    row = await pool.fetchrow("SELECT vendor, host, status FROM deliveries WHERE delivery_id = $1", waiting)
    assert row
    assert tuple(row) == ("fcm", "fcm.googleapis.com", "PENDING")


async def test_a_token_that_moves_to_another_account_moves(devices: Devices, pool: Pool, alice: UUID) -> None:
    of_alice = android()
    await devices.RegisterDevice(of_alice, CONTEXT)
    waiting = await wait_for(pool, alice, of_alice.device_id)
    with acting_as(User(uuid4(), "free")):
        await devices.RegisterDevice(android(), CONTEXT)
        assert await listed(devices) == [("fcm", "fcm.googleapis.com")]
    assert await listed(devices) == []
    assert await status(pool, waiting) == "CANCELLED"


async def test_one_token_registered_by_many_at_once_is_of_one(devices: Devices, pool: Pool) -> None:
    async def register() -> None:
        with acting_as(User(uuid4(), "free")):
            await devices.RegisterDevice(android(), CONTEXT)

    await asyncio.gather(*(register() for _ in range(8)))
    assert await pool.fetchval("SELECT count(*) FROM devices") == 1


async def test_a_device_id_of_another_user_is_not_found_and_stays_as_it_is(devices: Devices, alice: UUID) -> None:
    of_alice = browser()
    await devices.RegisterDevice(of_alice, CONTEXT)
    with acting_as(User(uuid4(), "free")):
        with pytest.raises(DeviceNotFound):
            await devices.RegisterDevice(android(device_id=UUID(of_alice.device_id)), CONTEXT)
        await devices.RemoveDevice(messages.RemoveDeviceRequest(device_id=of_alice.device_id), CONTEXT)
    assert await listed(devices) == [("web_push", "push.example.com")]


async def test_twenty_devices_are_the_most_also_when_they_come_at_once(devices: Devices, alice: UUID) -> None:
    requests = [android(f"{FCM_TOKEN}{number}") for number in range(24)]
    outcomes = await asyncio.gather(
        *(devices.RegisterDevice(request, CONTEXT) for request in requests), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooManyDevices)]
    assert len(refused) == 4
    assert len(await listed(devices)) == 20
    kept = next(request for request, outcome in zip(requests, outcomes, strict=True) if outcome not in refused)
    await devices.RegisterDevice(kept, CONTEXT)
    await devices.RemoveDevice(messages.RemoveDeviceRequest(device_id=kept.device_id), CONTEXT)
    await devices.RegisterDevice(iphone(), CONTEXT)


async def test_removing_is_repeatable_and_cancels_what_waits(devices: Devices, pool: Pool, alice: UUID) -> None:
    request = browser()
    await devices.RegisterDevice(request, CONTEXT)
    waiting = await wait_for(pool, alice, request.device_id)
    for _ in range(2):
        await devices.RemoveDevice(messages.RemoveDeviceRequest(device_id=request.device_id), CONTEXT)
    assert await listed(devices) == []
    assert await status(pool, waiting) == "CANCELLED"


async def test_the_key_of_web_push_is_told_where_there_is_one(devices: Devices, alice: UUID) -> None:
    reply = await devices.GetWebPushKey(messages.GetWebPushKeyRequest(), CONTEXT)
    assert reply.public_key == "the key"
    without = Devices(devices.pool, devices.begin, devices.host_of, "")
    with pytest.raises(WebPushOff):
        await without.GetWebPushKey(messages.GetWebPushKeyRequest(), CONTEXT)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example.com/send",
        "https://user:secret@push.example.com/",
        "https://127.0.0.1/push",
        "https://[::1]/push",
        "https://[::ffff:127.0.0.1]/push",
        "https://2130706433/push",
        "https://0177.0.0.1/push",
        "https://169.254.169.254/latest",
        "https://10.1.2.3/push",
        "https://inside.example.com/push",
        "https://nowhere.example.com/push",
        "https://",
        "push.example.com",
        "https://push.example.com/\\x41",
        "https://push.example.com/a b",
        "https://push.example.com/é",
        "https://push.example.com/\n",
    ],
)
async def test_an_endpoint_that_is_not_called_is_refused_with_the_field(
    devices: Devices, alice: UUID, endpoint: str
) -> None:
    with pytest.raises(InvalidArgument) as told:
        await devices.RegisterDevice(browser(endpoint=endpoint), CONTEXT)
    assert [wrong.field for wrong in told.value.fields] == ["web_push.endpoint"]


POINT = Browser().keys.p256dh
OFF_THE_CURVE = base64url(b"\x04" + b"\x01" * 64)


@pytest.mark.parametrize(
    ("p256dh", "auth", "fields"),
    [
        ("", "A" * 22, ["web_push.p256dh"]),
        ("not base64url!", "A" * 22, ["web_push.p256dh"]),
        (base64url(b"\x04" + b"\x01" * 63), "A" * 22, ["web_push.p256dh"]),
        (OFF_THE_CURVE, "A" * 22, ["web_push.p256dh"]),
        (base64url(b"\x02" + b"\x01" * 32), "A" * 22, ["web_push.p256dh"]),
        (POINT, base64url(b"1" * 15), ["web_push.auth"]),
        (POINT, base64url(b"1" * 17), ["web_push.auth"]),
        (POINT, "A", ["web_push.auth"]),
        (POINT, "", ["web_push.auth"]),
        ("é", "é", ["web_push.p256dh", "web_push.auth"]),
    ],
)
async def test_keys_that_nothing_could_be_encrypted_for_are_refused_with_the_field(
    devices: Devices, alice: UUID, p256dh: str, auth: str, fields: list[str]
) -> None:
    request = browser()
    request.web_push.p256dh, request.web_push.auth = p256dh, auth
    with pytest.raises(InvalidArgument) as told:
        await devices.RegisterDevice(request, CONTEXT)
    assert [wrong.field for wrong in told.value.fields] == fields


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (android("short"), "fcm.token"),
        (android("with a space" * 5), "fcm.token"),
        (android("a" * 4_097), "fcm.token"),
        (android("a" * 40 + "\n"), "fcm.token"),
        (iphone("a" * 63), "apns.token"),
        (iphone("a" * 65), "apns.token"),
        (iphone("g" * 64), "apns.token"),
        (iphone("a" * 202), "apns.token"),
        (messages.RegisterDeviceRequest(device_id=str(uuid4())), "web_push"),
        (
            messages.RegisterDeviceRequest(device_id=str(uuid4()), fcm=android().fcm, apns=iphone().apns),
            "web_push",
        ),
        (messages.RegisterDeviceRequest(device_id="1", fcm=android().fcm), "device_id"),
    ],
)
async def test_what_is_no_device_is_refused_with_the_field(
    devices: Devices, alice: UUID, request_: messages.RegisterDeviceRequest, field: str
) -> None:
    with pytest.raises(InvalidArgument) as told:
        await devices.RegisterDevice(request_, CONTEXT)
    assert [wrong.field for wrong in told.value.fields] == [field]
    assert await listed(devices) == []
