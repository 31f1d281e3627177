"""What `/openapi.json` says of devices: made by generate/make_types.py, not by hand."""

from typing import TypedDict

from nextplay_client.types.words import Vendor


class Device(TypedDict):
    """A registered device."""

    # The device (UUID).
    device_id: str
    # Who delivers to it.
    vendor: Vendor
    # The host that is called to reach it.
    host: str
    # When it was registered, or replaced last.
    registered_at: str


class RegisteredDevice(TypedDict):
    """What is registered now."""

    # The device.
    device: Device


class DeviceList(TypedDict):
    """All of them."""

    # The devices, latest first: at most 20.
    devices: list[Device]


class WebPushKey(TypedDict):
    """The key of Web Push."""

    # The public VAPID key: a point on P-256, uncompressed, 65 bytes in base64url.
    public_key: str
