"""What is not to be delivered any more."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from services.notify.domain.notification import Channel, Kind


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Pending deliveries: of these kinds of a video, or to a user, there of some authors alone or on one channel alone;
    or all to a device, or to an endpoint.

    `because` is a word for the metrics: hidden, deleted, unfollowed, preferences, removed, gone, disabled.
    """

    because: str
    kinds: Collection[Kind] = ()
    video_id: UUID | None = None
    user_id: UUID | None = None
    device_id: UUID | None = None
    webhook_id: UUID | None = None
    author_ids: Collection[UUID] | None = None
    channel: Channel | None = None


@dataclass(frozen=True, slots=True)
class ClaimedWithdrawal:
    """What is left of a withdrawal, claimed; `fence` is of the present claim."""

    withdrawal_id: UUID
    withdrawal: Withdrawal
    fence: int


def of_video(video_id: UUID, kinds: Collection[Kind], because: str) -> Withdrawal:
    """What tells such a thing of a video."""
    return Withdrawal(because, kinds, video_id=video_id)


def of_device(device_id: UUID, because: str) -> Withdrawal:
    """What is on its way to a device."""
    return Withdrawal(because, device_id=device_id)


def of_endpoint(webhook_id: UUID) -> Withdrawal:
    """What is on its way to an endpoint that is disabled."""
    return Withdrawal("disabled", webhook_id=webhook_id)


def of_authors(user_id: UUID, author_ids: Collection[UUID], because: str) -> Withdrawal:
    """What tells the user of the authors' publications."""
    return Withdrawal(because, [Kind.VIDEO_PUBLISHED], user_id=user_id, author_ids=author_ids)


def of_channels(user_id: UUID, disabled: Set[tuple[Kind, Channel]], because: str) -> Sequence[Withdrawal]:
    """What tells the user such things by a push of such a kind, one for each channel."""
    kinds = {
        channel: sorted(kind for kind, disabled_on in disabled if disabled_on is channel)
        for channel in (Channel.WEB_PUSH, Channel.MOBILE_PUSH)
    }
    return [
        Withdrawal(because, switched_off, user_id=user_id, channel=channel)
        for channel, switched_off in kinds.items()
        if switched_off
    ]
