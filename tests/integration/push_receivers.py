"""What stands for the three vendors: a browser's push service and the browser behind it, FCM with its token server, and
APNs. Each checks what the real one checks, and answers as a test tells it."""

import base64
import gzip
import json
import struct
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from push_servers import Behaviour, Reply, Seen, Server, certificates, http1_server, http2_server

from services.notify.addresses import Rules, open_client, open_resolver
from services.notify.channels.apns import Apns, provider_key
from services.notify.channels.fcm import SCOPE, Fcm, service_account
from services.notify.channels.web_push import Vapid, WebPush
from services.notify.domain.delivery import Message, Push
from services.notify.domain.device import Address, PushKeys, Vendor
from services.notify.ports.deliveries import Channel

LOCAL = Rules(allow_http=True, allowed_networks=[IPv4Network("127.0.0.0/8")])
TEAM, KEY_ID, TOPIC = "TEAM123456", "KEY1234567", "example.nextplay"
FCM_TOKEN, APNS_TOKEN = "device-token-of-a-phone_" + "a" * 40, "0123456789abcdef" * 4


@dataclass(frozen=True)
class Copy:
    """A message as it came to a device: a token, or the path of a browser's endpoint."""

    device: str
    title: str
    body: str
    kind: str
    notification_id: str
    collapse_key: str


@dataclass
class Vendored:
    """A channel, the address of a device behind it, and the vendor's server. `settings` are those of a process that
    sends to it, and `secrets` what no log may hold. `says` has the vendor's own way to say that a device is `gone`,
    that it has `too_many` (with Retry-After: 120), that it is `down`, and that a request is `invalid`."""

    vendor: Vendor
    channel: Channel
    address: Address
    server: Server
    says: dict[str, Reply]
    settings: dict[str, str]
    secrets: list[str]
    copies: list[Copy] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    behaviour: Behaviour = field(default_factory=Reply)


def a_message(title: str = "Video ready!", body: str = "Your video is ready.") -> Message:
    return Message(uuid4(), "video_ready", title, body, uuid4())


def a_push(address: Address, message: Message | None = None) -> Push:
    return Push(address, message or a_message(), timedelta(seconds=1))


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@dataclass(frozen=True)
class Browser:
    """A browser that subscribed: its key and its secret."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    auth: bytes = b"0123456789abcdef"

    @property
    def keys(self) -> PushKeys:
        return PushKeys(base64url(_point(self.key.public_key())), base64url(self.auth))

    def decrypt(self, body: bytes) -> dict[str, Any]:
        """By RFC 8291 and RFC 8188, from their texts: one record."""
        salt, record_size, length = body[:16], struct.unpack("!L", body[16:20])[0], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        assert len(body) <= 4096, "push services take 4,096 bytes"
        assert len(sealed) <= record_size
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        told = b"WebPush: info\0" + _point(self.key.public_key()) + sender
        secret = HKDF(hashes.SHA256(), 32, self.auth, told).derive(shared)
        key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\0").derive(secret)
        nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\0").derive(secret)
        opened = AESGCM(key).decrypt(nonce, sealed, None).rstrip(b"\0")
        assert opened.endswith(b"\x02"), "the last record ends with 2"
        return dict(json.loads(opened[:-1]))


@asynccontextmanager
async def web_push(directory: Path, tls: bool = True) -> AsyncIterator[Vendored]:
    """A push service that checks what is signed (RFC 8292), with one browser behind it, at `/send/secret-path`."""
    browser = Browser()
    vapid = Vapid(ec.generate_private_key(ec.SECP256R1()), "mailto:ops@nextplay.example")

    def answer(seen: Seen) -> Behaviour:
        return told(world, seen, check)

    def check(seen: Seen) -> Copy:
        scheme, _, rest = seen.headers["authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert scheme == "vapid"
        assert parts["k"] == vapid.public_key
        origin = f"{'https' if tls else 'http'}://127.0.0.1:{world.server.port}"
        claims = jwt.decode(parts["t"], vapid.private_key.public_key(), algorithms=["ES256"], audience=origin)
        assert 0 < claims["exp"] - time.time() <= 24 * 3600
        assert claims["sub"].startswith(("mailto:", "https:"))
        assert seen.headers["content-encoding"] == "aes128gcm"
        assert 0 < int(seen.headers["ttl"]) <= 24 * 3600
        topic = seen.headers["topic"]
        assert len(topic) <= 32
        assert set(topic) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        message = browser.decrypt(seen.body)
        said = message["title"], message["body"], message["kind"], message["notification_id"]
        return Copy(seen.path, *said, topic)

    of_server, of_client = certificates(directory)
    async with (
        http1_server(answer, of_server if tls else None) as server,
        open_resolver() as resolve,
        open_client(LOCAL, resolve, tls=of_client) as client,
    ):
        endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}/send/secret-path"
        address = Address(Vendor.WEB_PUSH, endpoint, f"127.0.0.1:{server.port}", browser.keys)
        says = {
            "gone": Reply(410),
            "too_many": Reply(429, {"retry-after": "120"}),
            "down": Reply(503),
            "invalid": Reply(413),
        }
        private_key = base64url(vapid.private_key.private_numbers().private_value.to_bytes(32, "big"))
        settings = {
            "NEXTPLAY_NOTIFY_VAPID_PRIVATE_KEY": private_key,
            "NEXTPLAY_NOTIFY_VAPID_CONTACT": vapid.contact,
        }
        secrets = [private_key, "secret-path", browser.keys.auth, browser.keys.p256dh]
        world = Vendored(Vendor.WEB_PUSH, WebPush(client, vapid), address, server, says, settings, secrets)
        yield world


@dataclass
class Google(Vendored):
    """FCM and its token server; `grants` is how it answers who asks for a token, None for as it should."""

    grants: Behaviour | None = None
    granted: int = 0
    valid_token: str = ""


@asynccontextmanager
async def fcm(directory: Path) -> AsyncIterator[Google]:
    """FCM, which takes a bearer token that its token server gave for an assertion signed by the account, and packs what
    it answers wherever it may."""
    key = rsa.generate_private_key(65_537, 2_048)

    def answer(seen: Seen) -> Behaviour:
        return packed(seen, grant(seen) if seen.path == "/token" else told(world, seen, check))

    def grant(seen: Seen) -> Behaviour:
        form = dict(urllib.parse.parse_qsl(seen.body.decode()))
        claims = jwt.decode(
            form["assertion"],
            key.public_key(),
            algorithms=["RS256"],
            audience=f"http://127.0.0.1:{world.server.port}/token",
        )
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert (claims["iss"], claims["scope"]) == ("push@nextplay.example", SCOPE)
        assert claims["exp"] - claims["iat"] <= 3600
        world.granted += 1
        world.valid_token = f"access-{world.granted}"
        body = json.dumps({"access_token": world.valid_token, "expires_in": 3599, "token_type": "Bearer"})
        return world.grants or Reply(200, {}, body.encode())

    def check(seen: Seen) -> Copy:
        assert seen.path == "/v1/projects/nextplay-test/messages:send"
        message = json.loads(seen.body)["message"]
        assert message["token"].startswith(FCM_TOKEN)
        assert len(seen.body) <= 4096
        shown, android = message["notification"], message["android"]
        assert android["collapse_key"] == android["notification"]["tag"]
        opened = message["data"]
        said = shown["title"], shown["body"], opened["kind"], opened["notification_id"]
        return Copy(message["token"], *said, android["collapse_key"])

    async with http1_server(answer) as server, httpx.AsyncClient(timeout=10, trust_env=False) as client:
        url = f"http://127.0.0.1:{server.port}"
        account = json.dumps(
            {
                "project_id": "nextplay-test",
                "client_email": "push@nextplay.example",
                "token_uri": f"{url}/token",
                "private_key": _pem(key),
            }
        )
        says = {
            "gone": fcm_error(404, "NOT_FOUND", "UNREGISTERED"),
            "too_many": fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", {"retry-after": "120"}),
            "down": fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"),
            "invalid": fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        }
        address = Address(Vendor.FCM, FCM_TOKEN, "fcm.googleapis.com")
        settings = {"NEXTPLAY_NOTIFY_FCM_SERVICE_ACCOUNT": account, "NEXTPLAY_NOTIFY_FCM_ENDPOINT": url}
        secrets = [FCM_TOKEN, _pem(key).splitlines()[1], "access-1"]
        channel = Fcm(client, service_account(account), url)
        world = Google(Vendor.FCM, channel, address, server, says, settings, secrets)
        yield world


def fcm_error(status: int, name: str, code: str | None, headers: dict[str, str] | None = None) -> Reply:
    """An error in the words of FCM."""
    detail = {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}
    error = {"code": status, "message": "said", "status": name, "details": [detail] if code else []}
    return Reply(status, headers or {}, json.dumps({"error": error}).encode())


@asynccontextmanager
async def apns(directory: Path, tls: bool = True) -> AsyncIterator[Vendored]:
    """APNs, which takes a provider token signed by the team's key."""
    key = ec.generate_private_key(ec.SECP256R1())

    def answer(seen: Seen) -> Behaviour:
        return told(world, seen, check)

    def check(seen: Seen) -> Copy:
        scheme, _, token = seen.headers["authorization"].partition(" ")
        assert scheme == "bearer"
        claims = jwt.decode(token, key.public_key(), algorithms=["ES256"])
        assert jwt.get_unverified_header(token)["kid"] == KEY_ID
        assert claims["iss"] == TEAM
        assert abs(claims["iat"] - time.time()) < 3600
        assert seen.path.startswith(f"/3/device/{APNS_TOKEN}")
        assert seen.headers["apns-topic"] == TOPIC
        assert seen.headers["apns-push-type"] == "alert"
        assert UUID(seen.headers["apns-id"])
        assert len(seen.headers["apns-collapse-id"]) <= 64
        assert len(seen.body) <= 4096
        payload = json.loads(seen.body)
        alert = payload["aps"]["alert"]
        said = alert["title"], alert["body"], payload["kind"], payload["notification_id"]
        return Copy(seen.path.removeprefix("/3/device/"), *said, seen.headers["apns-collapse-id"])

    of_server, of_client = certificates(directory)
    async with (
        http2_server(answer, of_server if tls else None) as server,
        httpx.AsyncClient(timeout=10, http1=False, http2=True, verify=of_client, trust_env=False) as client,
    ):
        says = {
            "gone": apns_error(410, "Unregistered"),
            "too_many": apns_error(429, "TooManyRequests", {"retry-after": "120"}),
            "down": apns_error(503, "ServiceUnavailable"),
            "invalid": apns_error(413, "PayloadTooLarge"),
        }
        url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
        channel = Apns(client, provider_key(_pem(key), KEY_ID, TEAM, TOPIC), url)
        address = Address(Vendor.APNS, APNS_TOKEN, "api.push.apple.com")
        settings = {
            "NEXTPLAY_NOTIFY_APNS_PRIVATE_KEY": _pem(key),
            "NEXTPLAY_NOTIFY_APNS_KEY_ID": KEY_ID,
            "NEXTPLAY_NOTIFY_APNS_TEAM_ID": TEAM,
            "NEXTPLAY_NOTIFY_APNS_TOPIC": TOPIC,
            "NEXTPLAY_NOTIFY_APNS_ENDPOINT": url,
        }
        secrets = [APNS_TOKEN, _pem(key).splitlines()[1]]
        world = Vendored(Vendor.APNS, channel, address, server, says, settings, secrets)
        yield world


def apns_error(status: int, reason: str, headers: dict[str, str] | None = None) -> Reply:
    """An error in the words of APNs."""
    return Reply(status, headers or {}, json.dumps({"reason": reason}).encode())


def told(world: Vendored, seen: Seen, check: Callable[[Seen], Copy]) -> Behaviour:
    """Check what came; a mistake is answered as none of the vendors answers, and kept for the test."""
    try:
        if isinstance(world, Google):
            assert seen.headers["authorization"] == f"Bearer {world.valid_token}"
        world.copies.append(check(seen))
    except Exception as error:
        world.mistakes.append(repr(error))
        return Reply(418)
    return world.behaviour


def packed(seen: Seen, behaviour: Behaviour) -> Behaviour:
    """The same, compressed where the request allows it."""
    if not isinstance(behaviour, Reply) or behaviour.endless or "gzip" not in seen.headers.get("accept-encoding", ""):
        return behaviour
    headers = {**behaviour.headers, "content-encoding": "gzip"}
    return Reply(behaviour.status, headers, gzip.compress(behaviour.body))


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode()


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
