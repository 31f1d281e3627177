"""Who was told what."""

from collections.abc import Collection
from typing import Protocol
from uuid import UUID

from services.notify.domain.notification import Notification


class LedgerStore(Protocol):
    """The notifications that were ever told, written inside one transaction."""

    async def write(self, notification: Notification, user_ids: Collection[UUID]) -> int:
        """Tell those of the users who were not told yet and have not muted its author; how many they were.

        With it goes a delivery to each device of theirs, unless they switched its channel off for this kind.
        """

    async def delete_written_before(self, days: int, limit: int) -> int:
        """Delete up to `limit` that were written more than `days` days ago; how many they were."""
