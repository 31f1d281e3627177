"""Devices between messages and what the use cases know."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgument
from chassis.validation import parse_uuid
from nextplay.notify.v1 import devices_service_pb2 as messages
from services.notify.domain.device import Address, Device, Vendor, apns_token, endpoint, fcm_token, push_keys
from services.notify.ports.hosts import HostOf
from services.notify.reads.devices import RegisteredDevice

HOSTS = {Vendor.FCM: "fcm.googleapis.com", Vendor.APNS: "api.push.apple.com"}
"""What one vendor's devices have in common; a browser's host is its endpoint's."""


async def device(request: messages.RegisterDeviceRequest, user_id: UUID, host_of: HostOf) -> Device:
    """The device to register. Raises InvalidArgument, naming the field."""
    device_id = parse_uuid("device_id", request.device_id)
    given = [name for name in ("web_push", "fcm", "apns") if request.HasField(name)]
    if len(given) != 1:
        told = f"{' and '.join(given)} are set" if given else "none is set"
        rule = f"must be set, or else `fcm` or `apns`: exactly one of the three; {told}"
        raise InvalidArgument(fields=[FieldViolation("web_push", rule)])
    return Device(device_id, user_id, await _address(request, Vendor(given[0]), host_of))


def registered(device: Device, registered_at: datetime) -> messages.RegisterDeviceResponse:
    address = device.address
    shown = RegisteredDevice(device.device_id, address.vendor, address.host, registered_at)
    return messages.RegisterDeviceResponse(device=_shown(shown))


def listed(devices: Sequence[RegisteredDevice]) -> messages.ListDevicesResponse:
    return messages.ListDevicesResponse(devices=map(_shown, devices))


async def _address(request: messages.RegisterDeviceRequest, vendor: Vendor, host_of: HostOf) -> Address:
    if vendor is Vendor.FCM:
        return Address(vendor, fcm_token(request.fcm.token), HOSTS[vendor])
    if vendor is Vendor.APNS:
        return Address(vendor, apns_token(request.apns.token), HOSTS[vendor])
    web_push = request.web_push
    keys, url = push_keys(web_push.p256dh, web_push.auth), endpoint(web_push.endpoint)
    return Address(vendor, url, await host_of(url), keys)


def _shown(device: RegisteredDevice) -> messages.Device:
    registered_at = Timestamp()
    registered_at.FromDatetime(device.registered_at)
    return messages.Device(
        device_id=str(device.device_id),
        vendor=messages.Device.Vendor.Value(device.vendor),
        host=device.host,
        registered_at=registered_at,
    )
