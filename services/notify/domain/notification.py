"""What is told, and about what: (user, kind, subject) names a notification, whatever is repeated."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.notify.domain import texts


class Kind(StrEnum):
    """What a notification tells, in the words of the API."""

    VIDEO_READY = "video_ready"
    VIDEO_FAILED = "video_failed"
    VIDEO_REJECTED = "video_rejected"
    VIDEO_PUBLISHED = "video_published"
    WEBHOOK_DISABLED = "webhook_disabled"


class Channel(StrEnum):
    """By what a user hears of it, in the words of the API."""

    IN_APP = "in_app"
    WEB_PUSH = "web_push"
    MOBILE_PUSH = "mobile_push"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a video was rejected or failed: a stable code if it is known, a sentence, and what to do as a sentence."""

    code: str | None
    message: str
    next_action: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell. `subject` is what makes it one: telling the same user the same again writes nothing.

    `actor_user_id` is who caused it, the user's own id where it is about something of their own; `video_id` is None
    where it is about no video. Deliveries with a higher `priority` go first.
    """

    kind: Kind
    subject: str
    title: str
    body: str
    video_id: UUID | None
    actor_user_id: UUID
    priority: int
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The state that a generation of a video came to."""

    video_id: UUID
    owner_id: UUID
    video_title: str
    generation: int
    status: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Publication:
    """A video that its author showed to everybody."""

    video_id: UUID
    author_id: UUID
    video_title: str = field(repr=False)  # what cannot be worked on is logged, and nobody's words are


WAITED_FOR, TOLD_TO_MANY = 1, 0
"""Priorities: what somebody waits for comes before what many are told."""
PRIORITIES = (WAITED_FOR, TOLD_TO_MANY)

KIND_OF_STATUS = {
    "READY": Kind.VIDEO_READY,
    "PROCESSING_FAILED": Kind.VIDEO_FAILED,
    "REJECTED_TOO_LONG": Kind.VIDEO_REJECTED,
    "REJECTED_FORMAT": Kind.VIDEO_REJECTED,
}


def to_owner(outcome: Outcome) -> Notification | None:
    """What the owner is told, once for each generation; None for a state that nobody is told about."""
    kind = KIND_OF_STATUS.get(outcome.status)
    if kind is None:
        return None
    reason = None if kind is Kind.VIDEO_READY else outcome.reason or Reason(None, *texts.UNKNOWN_REASON)
    if reason is None:
        text = texts.ready()
    elif kind is Kind.VIDEO_FAILED:
        text = texts.failed(outcome.video_title, reason.message, reason.next_action)
    else:
        text = texts.rejected(outcome.video_title, reason.message, reason.next_action)
    return Notification(
        kind=kind,
        subject=f"{outcome.video_id}/{outcome.generation}",
        title=text.title,
        body=text.body,
        video_id=outcome.video_id,
        actor_user_id=outcome.owner_id,
        priority=WAITED_FOR,
        reason=reason,
    )


def to_followers(publication: Publication) -> Notification:
    """What each follower is told, once for each video, however often it is hidden and shown again."""
    text = texts.published(publication.video_title)
    return Notification(
        kind=Kind.VIDEO_PUBLISHED,
        subject=str(publication.video_id),
        title=text.title,
        body=text.body,
        video_id=publication.video_id,
        actor_user_id=publication.author_id,
        priority=TOLD_TO_MANY,
    )


def of_disabled_webhook(
    user_id: UUID, webhook_id: UUID, url_host: str, disabled_at: datetime, *, gone: bool
) -> Notification:
    """What the owner of a webhook that was switched off is told, once for each time that it is; `gone` where it
    answered 410, otherwise it has failed for too long."""
    text = texts.webhook_gone(url_host) if gone else texts.webhook_failing(url_host)
    return Notification(
        kind=Kind.WEBHOOK_DISABLED,
        subject=f"{webhook_id}/{disabled_at.isoformat()}",
        title=text.title,
        body=text.body,
        video_id=None,
        actor_user_id=user_id,
        priority=WAITED_FOR,
    )
