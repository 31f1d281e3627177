"""Publications on their way to the followers of their author."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from services.notify.domain.fanout import Fanout
from services.notify.domain.notification import Publication


class FanoutStore(Protocol):
    """The fan-outs and the videos that were deleted, read and written inside one transaction."""

    async def is_deleted(self, video_id: UUID) -> bool:
        """Whether the video was deleted."""

    async def delete(self, video_id: UUID) -> None:
        """Remember that the video was deleted."""

    async def start(self, publication: Publication) -> bool:
        """Begin, or begin again where it was cancelled; False where it is under way or done."""

    async def cancel(self, video_id: UUID) -> bool:
        """End it where it is under way, waiting for the page that is being written; False where there is none."""

    async def wait_for_pages(self, author_ids: Collection[UUID]) -> None:
        """Wait for the pages of the authors' fan-outs that are being written, and let no other begin until the
        transaction ends."""

    async def leave_out(self, author_id: UUID, user_id: UUID) -> None:
        """Leave somebody out of the pages that were listed, and not written yet, when they stopped following; waits for
        a page that is being written."""

    async def left_out(self, fanout: Fanout) -> Collection[UUID]:
        """Who stopped following since the page before was written."""

    async def claim(self, owner: str, seconds: float, limit: int) -> Sequence[Fanout]:
        """Lease up to `limit` that are due, the longest waiting first."""

    async def hold(self, fanout: Fanout) -> bool:
        """Whether the claim is still good; locks the row, so that it stays so until the transaction ends."""

    async def advance(self, fanout: Fanout, next_page_token: str) -> None:
        """Give the claim back with the page that comes next; an empty token ends the fan-out."""

    async def postpone(self, fanout: Fanout, seconds: float) -> None:
        """Give the claim back after a failure, due again in `seconds`."""


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
