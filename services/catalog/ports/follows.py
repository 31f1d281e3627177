"""Who follows whom."""

from typing import Protocol
from uuid import UUID


class FollowStore(Protocol):
    """The follows, written inside one transaction."""

    async def add(self, follower_id: UUID, followed_id: UUID) -> bool:
        """Begin to follow; False where it is so already."""

    async def remove(self, follower_id: UUID, followed_id: UUID) -> bool:
        """Stop following; False where it is so already."""
