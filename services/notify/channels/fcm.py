"""Firebase Cloud Messaging, HTTP v1, as a service account whose access token is kept until shortly before it ends."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt

from services.notify.channels.asking import Answer, ask, failed
from services.notify.domain.delivery import MAX_AGE, Delivered, Gone, Outcome, Push, Refused, Retry

HOST = "https://fcm.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
ASSERTION_SECONDS = 3600
EARLY_SECONDS = 300.0
"""A token is renewed so long before it ends."""

GONE = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})
LATER = frozenset({"QUOTA_EXCEEDED", "UNAVAILABLE", "INTERNAL"})


@dataclass(frozen=True)
class ServiceAccount:
    """Who sends, of the JSON file that Google makes for a service account."""

    project_id: str
    client_email: str
    token_uri: str
    private_key: str = field(repr=False)


def service_account(content: str) -> ServiceAccount:
    """Of the file's content. Raises ValueError where something is missing in it or its key is none; tells no value."""
    try:
        value = json.loads(content)
        account = ServiceAccount(*(value[name] for name in ("project_id", "client_email", "token_uri", "private_key")))
        jwt.encode({}, account.private_key, algorithm="RS256")
    except (ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        raise ValueError("a service account is the JSON file that Google makes for it, with its key") from error
    return account


class AccessToken:
    """The account's token for the API, fetched once for all who need it at the same time."""

    def __init__(
        self, client: httpx.AsyncClient, account: ServiceAccount, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._account = account
        self._now = now
        self._token, self._renewed_at = "", 0.0
        self._fetching: asyncio.Task[str | Retry] | None = None

    async def get(self) -> str | Retry:
        """The token; Retry where none is to be had at the moment."""
        if self._token and self._now() < self._renewed_at:
            return self._token
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch())
        # Who asked first may be cancelled while others wait.
        return await asyncio.shield(self._fetching)

    def drop(self, token: str) -> None:
        """Fetch another one than this, which was not accepted."""
        if self._token == token:
            self._token = ""

    async def _fetch(self) -> str | Retry:
        account, time_now = self._account, int(time.time())
        claims = {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_uri,
            "iat": time_now,
            "exp": time_now + ASSERTION_SECONDS,
        }
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims, account.private_key, algorithm="RS256"),
        }
        answer = await ask(self._client, self._client.build_request("POST", account.token_uri, data=form))
        if not isinstance(answer, Answer):
            return Retry("NO_ACCESS_TOKEN", host_failed=True)
        told = answer.told()
        token, lives = told.get("access_token"), told.get("expires_in")
        if answer.status != 200 or not isinstance(token, str) or not isinstance(lives, int | float):
            return Retry("NO_ACCESS_TOKEN", answer.after, host_failed=True)
        self._token, self._renewed_at = token, self._now() + max(0.0, lives - EARLY_SECONDS)
        return token


class Fcm:
    """Implements `ports.deliveries.Channel`."""

    def __init__(self, client: httpx.AsyncClient, account: ServiceAccount, host: str = HOST) -> None:
        self._client = client
        self._token = AccessToken(client, account)
        self._url = f"{host.rstrip('/')}/v1/projects/{account.project_id}/messages:send"

    async def deliver(self, push: Push) -> Outcome:
        token = await self._token.get()
        if isinstance(token, Retry):
            return token
        headers = {"Authorization": f"Bearer {token}"}
        answer = await ask(
            self._client, self._client.build_request("POST", self._url, json=_message(push), headers=headers)
        )
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 200:
            return Delivered()
        code = _code(answer)
        if code in GONE:
            return Gone(code)
        if code in LATER:
            return Retry(code, answer.after, host_failed=True)
        if answer.status == 401 and code == "UNAUTHENTICATED":
            self._token.drop(token)
            return Retry(code, host_failed=True)
        return failed(answer) if code == "" or answer.status >= 500 else Refused(code)


def _message(push: Push) -> dict[str, Any]:
    title, body = push.message.shown
    key = push.message.collapse_key
    return {
        "message": {
            "token": push.address.value,
            "notification": {"title": title, "body": body},
            "data": push.message.opened,
            "android": {
                "collapse_key": key,
                "ttl": f"{int((MAX_AGE - push.age).total_seconds())}s",
                "notification": {"tag": key},
            },
            "apns": {"headers": {"apns-collapse-id": key}},
            "webpush": {"headers": {"Topic": key}},
        }
    }


def _code(answer: Answer) -> str:
    """FCM's own code, or else the status of the API; only words that are known are passed on."""
    error = answer.told().get("error")
    if not isinstance(error, dict):
        return ""
    details = error.get("details")
    own = [
        detail.get("errorCode")
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.firebase.fcm.v1.FcmError")
    ]
    code = str(own[0] if own else error.get("status"))
    return code if code in KNOWN else ""


KNOWN = GONE | LATER | {"INVALID_ARGUMENT", "THIRD_PARTY_AUTH_ERROR", "PERMISSION_DENIED", "UNAUTHENTICATED"}
