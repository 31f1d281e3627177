"""Apple Push Notification service: HTTP/2, with a provider token that is made anew before it is too old.

By httpx with h2, as the other channels; aioapns would bring connections, deadlines and retries of its own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.notify.channels.asking import Answer, ask, failed
from services.notify.domain.delivery import MAX_AGE, Delivered, Gone, Outcome, Push, Refused, Retry

HOST = "https://api.push.apple.com"
TOKEN_SECONDS = 3000.0
"""Apple refuses tokens older than an hour, and new ones more often than every 20 minutes."""

GONE = frozenset({"Unregistered", "BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken"})
LATER = frozenset(
    {
        "TooManyRequests",
        "InternalServerError",
        "ServiceUnavailable",
        "Shutdown",
        # Of our own making, and nothing that a device or a message could change.
        "ExpiredProviderToken",
        "InvalidProviderToken",
        "MissingProviderToken",
        "TooManyProviderTokenUpdates",
    }
)
REFUSED = frozenset({"PayloadTooLarge", "BadTopic", "TopicDisallowed", "Forbidden", "BadCollapseId", "BadMessageId"})

_EXPIRED = Retry("ExpiredProviderToken", host_failed=True)


@dataclass(frozen=True)
class ProviderKey:
    """The key of the app's maker: the PEM text of the .p8 file, its id, the team, and the app's bundle id."""

    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    key_id: str
    team_id: str
    topic: str


def provider_key(pem: str, key_id: str, team_id: str, topic: str) -> ProviderKey:
    """Raises ValueError where the PEM text holds no P-256 key."""
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("an APNs key is one on P-256")
    return ProviderKey(key, key_id, team_id, topic)


class ProviderToken:
    """The token that Apple knows us by, the same for 50 minutes."""

    def __init__(self, key: ProviderKey, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._token, self._made_at = "", 0.0

    def get(self) -> str:
        if not self._token or self._now() - self._made_at > TOKEN_SECONDS:
            self._made_at = self._now()
            self._token = jwt.encode(
                {"iss": self._key.team_id, "iat": int(self._made_at)},
                self._key.private_key,
                algorithm="ES256",
                headers={"kid": self._key.key_id},
            )
        return self._token

    def drop(self, token: str) -> None:
        """Make another one than this, which was not accepted."""
        if self._token == token:
            self._token = ""


class Apns:
    """Implements `ports.deliveries.Channel`. `client` speaks HTTP/2."""

    def __init__(self, client: httpx.AsyncClient, key: ProviderKey, host: str = HOST) -> None:
        self._client = client
        self._topic = key.topic
        self._token = ProviderToken(key)
        self._host = host.rstrip("/")

    async def deliver(self, push: Push) -> Outcome:
        """A provider token that is said to be expired is made anew, once."""
        token = self._token.get()
        outcome = await self._ask(push, token)
        if outcome == _EXPIRED:
            self._token.drop(token)
            outcome = await self._ask(push, self._token.get())
        return outcome

    async def _ask(self, push: Push, token: str) -> Outcome:
        request = self._client.build_request(
            "POST",
            f"{self._host}/3/device/{push.address.value}",
            json=_payload(push),
            headers={
                "authorization": f"bearer {token}",
                "apns-topic": self._topic,
                "apns-push-type": "alert",
                "apns-priority": "10",
                "apns-expiration": str(int(time.time() + (MAX_AGE - push.age).total_seconds())),
                "apns-id": str(push.message.notification_id),
                "apns-collapse-id": push.message.collapse_key,
            },
        )
        answer = await ask(self._client, request)
        if not isinstance(answer, Answer):
            return answer
        return Delivered() if answer.status == 200 else _failure(answer)


def _failure(answer: Answer) -> Outcome:
    reason = str(answer.told().get("reason"))
    if reason in GONE:
        return Gone(reason)
    if reason in LATER:
        return Retry(reason, answer.after, host_failed=True)
    if reason in REFUSED:
        return Refused(reason)
    return Gone("HTTP_410") if answer.status == 410 else failed(answer)


def _payload(push: Push) -> dict[str, Any]:
    title, body = push.message.shown
    return {"aps": {"alert": {"title": title, "body": body}, "sound": "default"}, **push.message.opened}
