"""What the use cases need from outside: the ledger and the followers of an author."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from chassis import transaction
from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Notification, Publication


class Store(Protocol):
    """The tables of notify, read and written inside one transaction."""

    async def write(self, notifications: Sequence[Notification]) -> int:
        """Add those that their users were not told yet; how many they were."""

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID]) -> int:
        """Mark those of the user's that are unread; how many they were. Unknown ids are passed over."""

    async def mark_read_until(self, user_id: UUID, until: datetime) -> int:
        """Mark the user's unread ones that were written at or before `until`; how many they were."""

    async def unread_count(self, user_id: UUID) -> int:
        """How many of the user's are unread."""

    async def delete_written_before(self, days: int, limit: int) -> int:
        """Delete up to `limit` that were written more than `days` days ago; how many they were."""

    async def is_deleted(self, video_id: UUID) -> bool:
        """Whether the video was deleted."""

    async def delete(self, video_id: UUID) -> None:
        """Remember that the video was deleted."""

    async def start_fanout(self, publication: Publication) -> bool:
        """Begin, or begin again where it was cancelled; False where it is under way or done."""

    async def cancel_fanout(self, video_id: UUID) -> bool:
        """End it where it is under way, waiting for the page that is being written; False where there is none."""

    async def claim_fanouts(self, owner: str, seconds: float, limit: int) -> Sequence[Fanout]:
        """Lease up to `limit` that are due, the longest waiting first."""

    async def hold_fanout(self, fanout: Fanout) -> bool:
        """Whether the claim is still good; locks the row, so that it stays so until the transaction ends."""

    async def advance_fanout(self, fanout: Fanout, next_page_token: str) -> None:
        """Give the claim back with the page that comes next; an empty token ends the fan-out."""

    async def postpone_fanout(self, fanout: Fanout, seconds: float) -> None:
        """Give the claim back after a failure, due again in `seconds`."""


Tx: TypeAlias = transaction.Tx[Store]
Begin: TypeAlias = transaction.Begin[Store]


@dataclass(frozen=True, slots=True)
class FollowersPage:
    """Some of an author's followers; `next_page_token` is empty on the last page."""

    user_ids: Sequence[UUID]
    next_page_token: str


class PageTokenRefused(Exception):
    """The owner of the followers does not know this page token any more."""


ListFollowers: TypeAlias = Callable[[UUID, str], Coroutine[Any, Any, FollowersPage]]
"""`await list_followers(author_id, page_token)`: at most 1,000 followers of the page that the token names, "" for the
first. Raises PageTokenRefused, and another service's Failure while they cannot be had."""
