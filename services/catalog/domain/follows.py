"""Who may follow whom."""

from uuid import UUID

from chassis.errors import Failure, Kind


class CannotFollowYourself(
    Failure, kind=Kind.CONFLICT, code="CANNOT_FOLLOW_YOURSELF", next_action="Follow somebody else."
):
    """Nobody can follow themselves."""


def check_follow(follower_id: UUID, followed_id: UUID) -> None:
    """Raises CannotFollowYourself."""
    if follower_id == followed_id:
        raise CannotFollowYourself
