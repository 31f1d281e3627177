"""What the checks share: where they are made, what they find, and asking the gateway."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from nextplay_client.errors import ApiError

TIMEOUT = httpx.Timeout(10.0, connect=5.0)

Name = Literal[
    "gateway", "token", "clock", "upload", "storage", "cors", "put", "etag", "clean-up", "playlist", "thumbnail"
]


@dataclass(frozen=True)
class Finding:
    """What one check found; `advice` says what to do where it failed, or what it needs where it was left out."""

    check: Name
    outcome: Literal["ok", "failed", "skipped"]
    said: str
    advice: str = ""


@dataclass
class Place:
    """Where the checks are made: the gateway, as whom, for which web page's origin, and with an upload of which
    category. Keeps what one check finds and a later one needs."""

    url: str
    bearer: Callable[[], str]
    origin: str
    category: str
    http: httpx.Client
    token: str = ""
    announced: dict[str, Any] = field(default_factory=dict)
    signed: dict[str, Any] = field(default_factory=dict)
    sent: httpx.Response | None = None


class Failed(Exception):
    """A check failed: what was found, and what to do."""

    def __init__(self, said: str, advice: str) -> None:
        super().__init__(said)
        self.said, self.advice = said, advice


class Skipped(Failed):
    """A check could not be made: why, and what it needs."""


class Refused(Failed):
    """The gateway answered with a problem."""

    def __init__(self, asked: str, problem: ApiError) -> None:
        super().__init__(f"{asked} was answered {problem.status} {problem.code}: {problem.detail}", problem.next_action)
        self.problem = problem


def answer(place: Place, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """The gateway's answer; raises Refused and what httpx raises."""
    headers = {"Authorization": f"Bearer {place.token}"}
    reply = place.http.request(method, place.url + path, json=body, headers=headers)
    if reply.status_code >= 400:
        raise Refused(f"{method} {path.partition('?')[0]}", ApiError.of(reply))
    return dict(reply.json()) if reply.content else {}


def cause(error: Exception) -> str:
    """What happened, in the system's words: Connection refused."""
    return str(error) or type(error).__name__
