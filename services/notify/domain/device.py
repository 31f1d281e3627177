"""Where a user is reached beside the app, and what is taken for an address of such a place."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind

MAX_DEVICES = 20

_FCM_TOKEN = re.compile(r"[A-Za-z0-9_:.%-]+")
_APNS_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2})+")
_URL = re.compile(r"[!-\[\]-~]+")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")

# The curve P-256 (NIST SP 800-186): y² = x³ − 3x + b modulo p.
_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class Vendor(StrEnum):
    """Who delivers to a device, in the words of the API."""

    WEB_PUSH = "web_push"
    FCM = "fcm"
    APNS = "apns"


class DeviceNotFound(
    Failure, kind=Kind.NOT_FOUND, code="DEVICE_NOT_FOUND", next_action="Register under a device id of your own."
):
    """You have no device with this id."""


class TooManyDevices(
    Failure,
    kind=Kind.CONFLICT,
    code="TOO_MANY_DEVICES",
    next_action="Remove a device that is not used any more, then register this one again.",
):
    """A user has at most 20 devices, and you have 20 others."""


class WebPushOff(
    Failure,
    kind=Kind.CONFLICT,
    code="WEB_PUSH_OFF",
    next_action="Do not subscribe; read the inbox, or register a phone.",
):
    """This platform has no key for Web Push, so browsers cannot subscribe."""


@dataclass(frozen=True, slots=True)
class PushKeys:
    """What a browser's subscription is encrypted for: its public key (65 bytes) and its secret (16 bytes), base64url
    without padding."""

    p256dh: str
    auth: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a device is reached. `value` is its endpoint or token, which is never shown or logged; `host` is who is
    called."""

    vendor: Vendor
    value: str = field(repr=False)
    host: str
    keys: PushKeys | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device of a user."""

    device_id: UUID
    user_id: UUID
    address: Address


def push_keys(p256dh: str, auth: str) -> PushKeys:
    """The keys of a subscription. Raises InvalidArgument, naming what is wrong with each."""
    point, secret = _decoded(p256dh), _decoded(auth)
    wrong = []
    if point is None or not _is_on_p256(point):
        rule = "must be an uncompressed point on P-256, 65 bytes in base64url"
        wrong.append(FieldViolation("web_push.p256dh", f"{rule}{_told(point)}"))
    if secret is None or len(secret) != 16:
        wrong.append(FieldViolation("web_push.auth", f"must be 16 bytes in base64url{_told(secret)}"))
    if wrong:
        raise InvalidArgument(fields=wrong)
    return PushKeys(p256dh.rstrip("="), auth.rstrip("="))


def endpoint(url: str) -> str:
    """The URL, of which only the characters were looked at. Raises InvalidArgument for those that no URL has."""
    if not _URL.fullmatch(url):
        rule = "must be a URL as the browser gives it: printable ASCII characters without spaces and backslashes"
        raise InvalidArgument(fields=[FieldViolation("web_push.endpoint", rule)])
    return url


def fcm_token(token: str) -> str:
    """The token. Raises InvalidArgument where it cannot be one."""
    if not 32 <= len(token) <= 4_096 or not _FCM_TOKEN.fullmatch(token):
        rule = "must be a registration token: 32 to 4,096 letters, digits and - _ : . %"
        raise InvalidArgument(fields=[FieldViolation("fcm.token", f"{rule}; it has {len(token):,} characters")])
    return token


def apns_token(token: str) -> str:
    """The token in lower case. Raises InvalidArgument where it cannot be one."""
    if not 64 <= len(token) <= 200 or not _APNS_TOKEN.fullmatch(token):
        rule = "must be a device token: 32 to 100 bytes in hexadecimal, without spaces"
        raise InvalidArgument(fields=[FieldViolation("apns.token", f"{rule}; it has {len(token):,} characters")])
    return token.lower()


def _told(value: bytes | None) -> str:
    return ", is no base64url" if value is None else f"; it has {len(value)} bytes"


def _decoded(value: str) -> bytes | None:
    bare = value.rstrip("=")
    if not _BASE64URL.fullmatch(bare):
        return None
    try:
        return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return None


def _is_on_p256(point: bytes) -> bool:
    if len(point) != 65 or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < _P and y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0
