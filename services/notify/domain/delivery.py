"""One notification on its way to one device: what is sent, how an attempt ends, and when the next one is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from services.notify.domain.device import Address

MAX_ATTEMPTS = 8
MAX_AGE = timedelta(hours=24)
FIRST_WAIT_SECONDS, WAIT_FACTOR = 10.0, 4.0

MAX_TITLE_BYTES, MAX_BODY_BYTES = 400, 2_000
"""All vendors take messages of at most 4,096 bytes, with everything that is around the text."""

PUSH_INTERVAL_SECONDS, PUSHES_AHEAD = 12.0, 5
"""A device is pushed to every 12 s, and 5 times at once after a pause: never more than 10 times in a minute."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A claimed delivery; `fence` and `attempts` are of the present claim, `trace` is what it continues."""

    delivery_id: UUID
    user_id: UUID
    device_id: UUID
    vendor: str
    host: str
    fence: int
    attempts: int
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What a device shows and what the app opens; a notification of a webhook is about no video."""

    notification_id: UUID
    kind: str
    title: str
    body: str
    video_id: UUID | None

    @property
    def collapse_key(self) -> str:
        """Names the notification wherever a vendor replaces an earlier copy by a later one, so that what is sent twice
        is seen once: 32 characters, which every vendor takes."""
        return self.notification_id.hex

    @property
    def shown(self) -> tuple[str, str]:
        """Title and body, cut to what fits."""
        return _cut(self.title, MAX_TITLE_BYTES), _cut(self.body, MAX_BODY_BYTES)

    @property
    def opened(self) -> dict[str, str]:
        """What tells the app where to lead."""
        video = {"video_id": str(self.video_id)} if self.video_id else {}
        return {"kind": self.kind, "notification_id": str(self.notification_id)} | video


@dataclass(frozen=True, slots=True)
class Push:
    """All that one attempt needs. `age` is that of the delivery."""

    address: Address
    message: Message
    age: timedelta


@dataclass(frozen=True, slots=True)
class Due:
    """A claimed delivery and what is sent for it."""

    delivery: Delivery
    push: Push


@dataclass(frozen=True, slots=True)
class Wait:
    """The device was pushed to often enough for now."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """The vendor has taken it."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The vendor does not know the device any more."""

    code: str


@dataclass(frozen=True, slots=True)
class Retry:
    """It may go well later: after so many seconds where the vendor told. `host_failed` where the others that go to the
    same host would fail like this one."""

    code: str
    after: float | None = None
    host_failed: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never go well."""

    code: str


Outcome: TypeAlias = Delivered | Gone | Retry | Refused


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt, and what it says of the host: None where the host was not asked, or nothing was learnt of it."""

    outcome: Outcome
    host_answered: bool | None

    @property
    def after(self) -> float | None:
        return self.outcome.after if isinstance(self.outcome, Retry) else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where a delivery stands after an attempt (PENDING, DELIVERED, FAILED), how that ended in a word (delivered,
    retry, given_up, refused, gone), why it failed, and in how many seconds it is tried again if it is PENDING."""

    status: str
    word: str
    code: str | None = None
    wait_seconds: float = 0.0


def judge(due: Due, outcome: Outcome, chance: float) -> Verdict:
    """What an attempt leads to; `chance` is from 0 to 1 and spreads the retries."""
    match outcome:
        case Delivered():
            return Verdict("DELIVERED", "delivered")
        case Gone(code):
            return Verdict("FAILED", "gone", code)
        case Refused(code):
            return Verdict("FAILED", "refused", code)
        case Retry(code, after):
            wait = next_attempt(due.delivery.attempts, due.push.age, after, chance)
            if wait is None:
                return Verdict("FAILED", "given_up", code)
            return Verdict("PENDING", "retry", code, wait)


def next_attempt(attempts: int, age: timedelta, after: float | None, chance: float) -> float | None:
    """Seconds until the next attempt after so many; None where it is given up.

    10 s, then four times as long each time; between that and three quarters of it by `chance` (0 to 1), and no sooner
    than the vendor asked for. Given up after 8 attempts, or where the next would be later than 24 hours after the
    delivery was written.
    """
    wait = FIRST_WAIT_SECONDS * WAIT_FACTOR ** (attempts - 1) * (0.75 + chance / 4)
    wait = max(wait, after or 0.0)
    if attempts >= MAX_ATTEMPTS or age + timedelta(seconds=wait) > MAX_AGE:
        return None
    return wait


def _cut(text: str, most: int) -> str:
    encoded = text.encode()
    return text if len(encoded) <= most else encoded[: most - 3].decode(errors="ignore") + "…"
