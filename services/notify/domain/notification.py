"""What is told to whom, and about what: (user, kind, subject) names a notification, whatever is repeated."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.notify.domain import texts


class Kind(StrEnum):
    """What a notification tells, in the words of the API."""

    VIDEO_READY = "video_ready"
    VIDEO_FAILED = "video_failed"
    VIDEO_REJECTED = "video_rejected"
    VIDEO_PUBLISHED = "video_published"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a video was rejected or failed: a stable code if it is known, a sentence, and what to do as a sentence."""

    code: str | None
    message: str
    next_action: str


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing told to one user. `subject` is what makes it one: telling the same again writes nothing."""

    user_id: UUID
    kind: Kind
    subject: str
    title: str
    body: str
    video_id: UUID
    actor_user_id: UUID
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
    video_title: str


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
        user_id=outcome.owner_id,
        kind=kind,
        subject=f"{outcome.video_id}/{outcome.generation}",
        title=text.title,
        body=text.body,
        video_id=outcome.video_id,
        actor_user_id=outcome.owner_id,
        reason=reason,
    )


def to_follower(publication: Publication, follower_id: UUID) -> Notification:
    """What a follower is told, once for each video, however often it is hidden and shown again."""
    text = texts.published(publication.video_title)
    return Notification(
        user_id=follower_id,
        kind=Kind.VIDEO_PUBLISHED,
        subject=str(publication.video_id),
        title=text.title,
        body=text.body,
        video_id=publication.video_id,
        actor_user_id=publication.author_id,
    )
