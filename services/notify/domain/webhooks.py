"""Webhooks: what is sent to an endpoint, how often it is tried, and when nothing is sent to it any more."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from chassis.errors import Failure, Kind

MAX_WEBHOOKS = 10
OLD_SECRET_SECONDS = 24 * 3600.0
GIVE_UP_SECONDS = 24 * 3600.0
RETRY_SECONDS = (5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, *[4 * 3600] * 5)
"""Between one attempt and the next. The last of 13 attempts comes about 24 hours after the first."""
LATE_SECONDS = 3600.0
"""How long after the 24 hours the last attempt may still be made, where it had to wait for its turn."""
KEPT_ATTEMPTS = 20
JITTER = 0.1


class WebhookNotFound(
    Failure,
    kind=Kind.NOT_FOUND,
    code="WEBHOOK_NOT_FOUND",
    next_action="List the webhooks and use the id of one of them.",
):
    """There is no such webhook."""


class DeliveryNotFound(
    Failure,
    kind=Kind.NOT_FOUND,
    code="DELIVERY_NOT_FOUND",
    next_action="List the webhook's deliveries and use the id of one of them.",
):
    """There is no such delivery; deliveries are kept for 30 days."""


class TooManyWebhooks(
    Failure,
    kind=Kind.CONFLICT,
    code="TOO_MANY_WEBHOOKS",
    next_action="Delete a webhook, or replace one of those that there are.",
):
    """A user has at most 10 webhooks."""


class WebhookDisabled(
    Failure,
    kind=Kind.CONFLICT,
    code="WEBHOOK_DISABLED",
    next_action="Enable the webhook, then send the same request again.",
):
    """Nothing is sent to a webhook that is disabled."""


class Status(StrEnum):
    """Where a delivery stands, in the words of the API."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Error(StrEnum):
    """Why an attempt failed, in the words of the API; NOT_SENT is no fault of the endpoint. NO_PUBLIC_ADDRESS does not
    tell a name that is unknown from one that leads inside: which names are known there is nobody's business."""

    HTTP_ERROR = "HTTP_ERROR"
    REDIRECT = "REDIRECT"
    GONE = "GONE"
    TIMEOUT = "TIMEOUT"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    TLS_FAILED = "TLS_FAILED"
    NO_PUBLIC_ADDRESS = "NO_PUBLIC_ADDRESS"
    PROTOCOL_ERROR = "PROTOCOL_ERROR"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What its owner says of a webhook. `host` is that of the URL; no `event_types` means all."""

    url: str
    host: str
    event_types: Sequence[str]
    description: str


@dataclass(frozen=True, slots=True)
class Webhook(Endpoint):
    """A registered endpoint. `disabled_reason` is None where it is enabled."""

    webhook_id: UUID
    user_id: UUID
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """What a user's endpoints are told; `event_id` makes it one, whatever is repeated. `payload` is JSON."""

    event_id: UUID
    user_id: UUID
    event_type: str
    payload: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed delivery, before it is known what is sent; `fence` is of the claim, `trace` what it continues."""

    delivery_id: UUID
    user_id: UUID
    host: str
    fence: int
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A claimed delivery with what is sent and where. The secrets are encrypted; the old one is there while requests
    are signed with both. `attempts` counts the claims since `age_seconds` ago, when it was first due."""

    delivery_id: UUID
    webhook_id: UUID
    user_id: UUID
    url: str = field(repr=False)
    host: str
    event_type: str
    payload: str = field(repr=False)
    fence: int
    attempts: int
    secret: bytes = field(repr=False)
    old_secret: bytes | None = field(repr=False)
    was_failing: bool
    age_seconds: float

    @property
    def is_too_late(self) -> bool:
        """Whether it is a retry that comes long after the 24 hours, as when nothing was sent for a while. What was
        never tried is tried once, however late."""
        return self.attempts > 1 and self.age_seconds > GIVE_UP_SECONDS + LATE_SECONDS


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and its reply. `error` is None where it succeeded; `retry_after` is what the endpoint asked for, in
    seconds."""

    sent_at: datetime
    latency_ms: int
    http_status: int | None = None
    error: Error | None = None
    reply: str = ""
    retry_after: float | None = None

    @property
    def host_answered(self) -> bool | None:
        """Whether its host is well; None where it was not asked."""
        return None if self.error is Error.NOT_SENT else self.http_status is not None

    @property
    def after(self) -> float | None:
        """An endpoint that asks to be left alone does so for itself, not for the host that it shares with others."""
        return None


@dataclass(frozen=True, slots=True)
class Sent:
    """An attempt, where its delivery stands after it, and in how many seconds it is tried again if it is PENDING."""

    dispatch: Dispatch
    attempt: Attempt
    status: Status
    wait_seconds: float


def judge(dispatch: Dispatch, attempt: Attempt, chance: float) -> Sent:
    """What an attempt leads to; `chance` is from 0 to 1 and spreads the retries by a tenth.

    What the endpoint asks for by Retry-After is waited at least, but not beyond the 24 hours, at whose end it is tried
    for the last time.
    """
    if attempt.error is None:
        return Sent(dispatch, attempt, Status.DELIVERED, 0.0)
    left = GIVE_UP_SECONDS - dispatch.age_seconds - attempt.latency_ms / 1000
    if attempt.error is Error.GONE or dispatch.attempts > len(RETRY_SECONDS) or left <= 0:
        return Sent(dispatch, attempt, Status.FAILED, 0.0)
    wait = RETRY_SECONDS[dispatch.attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    return Sent(dispatch, attempt, Status.PENDING, min(max(wait, attempt.retry_after or 0.0), left))
