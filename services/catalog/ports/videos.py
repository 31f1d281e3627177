"""Where videos are kept."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from services.catalog.domain.video import Asset, Video


class VideoStore(Protocol):
    """The videos, read and written inside one transaction."""

    async def lock(self, video_id: UUID) -> Video | None:
        """The video, in any state, locked until the transaction ends."""

    async def assets(self, video_id: UUID) -> Sequence[Asset]:
        """The video's outputs, by kind; empty before READY and after deletion."""
