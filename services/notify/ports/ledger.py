"""Who was told what."""

from collections.abc import Sequence
from typing import Protocol

from services.notify.domain.notification import Notification


class LedgerStore(Protocol):
    """The notifications that were ever told, written inside one transaction."""

    async def write(self, notifications: Sequence[Notification]) -> int:
        """Add those that their users were not told yet; how many they were."""

    async def delete_written_before(self, days: int, limit: int) -> int:
        """Delete up to `limit` that were written more than `days` days ago; how many they were."""
