"""What a user wants to be told, and how."""

from collections.abc import Set
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument
from services.notify.domain.notification import Channel, Kind

MAX_MUTED_AUTHORS = 1_000


@dataclass(frozen=True, slots=True)
class Preferences:
    """What is not told: kinds by channel, and what muted authors publish. Everything else is."""

    disabled: Set[tuple[Kind, Channel]]
    muted_author_ids: Set[UUID]


def check_muted(user_id: UUID, author_ids: Set[UUID]) -> None:
    """Raises InvalidArgument for more than 1,000 authors and for the user among them."""
    if len(author_ids) > MAX_MUTED_AUTHORS:
        rule = f"must name at most {MAX_MUTED_AUTHORS:,} authors, has {len(author_ids):,}"
        raise InvalidArgument(fields=[FieldViolation("muted_author_ids", rule)])
    if user_id in author_ids:
        raise InvalidArgument(fields=[FieldViolation("muted_author_ids", "must not name yourself")])
