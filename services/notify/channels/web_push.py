"""Web Push (RFC 8030): messages encrypted for the browser (RFC 8291) and signed with our VAPID key (RFC 8292).

http-ece encrypts; it is what pywebpush encrypts with, whose HTTP follows redirects, reads answers of any length and
knows nothing of checked addresses.
"""

import base64
import json
import time
from dataclasses import dataclass, field

import http_ece
import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.notify.channels.asking import Answer, ask, failed
from services.notify.domain.delivery import MAX_AGE, Delivered, Gone, Outcome, Push

TOKEN_SECONDS = 12 * 3600
"""Push services take tokens of at most 24 hours."""


@dataclass(frozen=True)
class Vapid:
    """Our key, by which push services know us, and where they reach us: a mailto: or https: URL."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    contact: str

    @property
    def public_key(self) -> str:
        """As browsers take it: an uncompressed point in base64url."""
        point = self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return _base64url(point)

    def authorization(self, audience: str) -> str:
        """The header for a push service, named by its origin."""
        claims = {"aud": audience, "exp": int(time.time()) + TOKEN_SECONDS, "sub": self.contact}
        return f"vapid t={jwt.encode(claims, self.private_key, algorithm='ES256')}, k={self.public_key}"


def vapid(private_key: str, contact: str) -> Vapid:
    """Of the private key as 32 bytes in base64url, the form in which tools for Web Push make it.

    Raises ValueError where it is no such key.
    """
    number = base64.urlsafe_b64decode(private_key + "=" * (-len(private_key) % 4))
    if len(number) != 32:
        raise ValueError(f"a VAPID key has 32 bytes, this one has {len(number)}")
    return Vapid(ec.derive_private_key(int.from_bytes(number, "big"), ec.SECP256R1()), contact)


@dataclass(frozen=True)
class WebPush:
    """Implements `ports.deliveries.Channel`. `client` connects to checked addresses only."""

    client: httpx.AsyncClient
    vapid: Vapid

    async def deliver(self, push: Push) -> Outcome:
        url = httpx.URL(push.address.value)
        request = self.client.build_request(
            "POST",
            url,
            content=encrypted(push),
            headers={
                "Authorization": self.vapid.authorization(f"{url.scheme}://{url.netloc.decode('ascii')}"),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(int((MAX_AGE - push.age).total_seconds())),
                "Topic": push.message.collapse_key,
                "Urgency": "normal",
            },
        )
        answer = await ask(self.client, request)
        if not isinstance(answer, Answer):
            return answer
        if 200 <= answer.status < 300:
            return Delivered()
        return Gone(f"HTTP_{answer.status}") if answer.status in (404, 410) else failed(answer)


def encrypted(push: Push) -> bytes:
    """The message as JSON, readable for the browser alone: title, body, kind, notification_id, video_id."""
    assert push.address.keys is not None, "a subscription has keys"  # noqa: S101 - registered with it
    title, body = push.message.shown
    content = json.dumps({"title": title, "body": body, **push.message.opened}, ensure_ascii=False)
    sealed: bytes = http_ece.encrypt(
        content.encode(),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=_bytes(push.address.keys.p256dh),
        auth_secret=_bytes(push.address.keys.auth),
        version="aes128gcm",
    )
    return sealed


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(value: str) -> bytes:
    return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
