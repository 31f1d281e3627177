"""What is not to be delivered any more."""

from collections.abc import Collection, Set
from typing import Protocol
from uuid import UUID

from services.notify.domain.notification import Channel, Kind


class WithdrawalStore(Protocol):
    """Deliveries that are pending, cancelled inside one transaction: also those that are just being tried, whose end is
    not written down any more."""

    async def of_video(self, video_id: UUID, kinds: Collection[Kind]) -> int:
        """Cancel those of the video that tell such a thing; how many they were."""

    async def of_authors(self, user_id: UUID, author_ids: Collection[UUID]) -> int:
        """Cancel those that tell the user of the authors' publications; how many they were."""

    async def of_channels(self, user_id: UUID, disabled: Set[tuple[Kind, Channel]]) -> int:
        """Cancel the user's of these kinds on these channels; how many they were."""
