"""What a user has read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID


class InboxStore(Protocol):
    """The inboxes, read and written inside one transaction."""

    async def mark_read(self, user_id: UUID, notification_ids: Sequence[UUID]) -> int:
        """Mark those of the user's that are unread; how many they were. Unknown ids are passed over."""

    async def mark_read_until(self, user_id: UUID, until: datetime, limit: int) -> int:
        """Mark up to `limit` of the user's unread ones that were written at or before `until`, the oldest first; how
        many they were."""

    async def unread_count(self, user_id: UUID) -> int:
        """How many of the user's are unread."""
