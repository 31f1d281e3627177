"""The entries of feeds, and the work of keeping them in agreement with the videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.paging import Position


@dataclass(frozen=True, slots=True)
class FeedFanout:
    """A claimed piece of work: make the feeds of the author's followers agree with the video, from `after` on. `trace`
    is of what changed the video."""

    video_id: UUID
    author_id: UUID
    published_at: datetime
    after: Position
    fence: int
    trace: Mapping[str, str]


class FeedStore(Protocol):
    """Feeds, written inside one transaction."""

    async def fill(self, user_id: UUID, author_id: UUID, limit: int) -> int:
        """Put the author's latest published public videos, `limit` at most, into the user's feed; how many were new."""

    async def clear(self, user_id: UUID, author_id: UUID) -> int:
        """Take the author's published videos out of the user's feed; how many there were."""

    async def start_fanout(self, video_id: UUID, author_id: UUID, published_at: datetime) -> None:
        """Let the video's entries be compared with it, from the first follower on, whatever was done before."""

    async def restart_fanout(self, video_id: UUID) -> bool:
        """The same for a video that was in feeds; False for one that never was."""

    async def claim_fanouts(self, owner: str, seconds: float, limit: int) -> Sequence[FeedFanout]:
        """Lease up to `limit` that are due, the longest waiting first."""

    async def hold_fanout(self, fanout: FeedFanout) -> bool:
        """Whether the claim is still good; locks the row, so that it stays so until the transaction ends."""

    async def belongs_in_feeds(self, video_id: UUID) -> bool:
        """Whether the video is published and public."""

    async def add_entries(self, fanout: FeedFanout, limit: int) -> Position | None:
        """Put the video into the feeds of the next `limit` followers; the last one's position, None at the end."""

    async def remove_entries(self, fanout: FeedFanout, limit: int) -> Position | None:
        """Take the video out of the feeds of the next `limit` followers; the last one's position, None at the end."""

    async def advance_fanout(self, fanout: FeedFanout, after: Position | None) -> None:
        """Give the claim back with the position to go on from; None ends the work."""
