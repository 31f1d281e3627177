"""Where videos are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from services.catalog.domain.outlook import RunProgress
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Asset, Status, Video


@dataclass(frozen=True)
class Quiet:
    """A video about which nothing was heard since `heard_at`, which is too long."""

    video_id: UUID
    generation: int
    status: Status
    has_original: bool
    heard_at: datetime


class VideoStore(Protocol):
    """The videos, read and written inside one transaction."""

    async def find(self, video_id: UUID) -> Video | None:
        """The video, in any state."""

    async def lock(self, video_id: UUID) -> Video | None:
        """The video, in any state, locked until the transaction ends."""

    async def lock_own(self, video_id: UUID, user_id: UUID) -> Video | None:
        """The same, unless it belongs to somebody else."""

    async def insert(self, video: Video) -> bool:
        """Keep a new video; False if the id is taken."""

    async def save(self, video: Video) -> None:
        """Keep the present state of a locked video."""

    async def assets(self, video_id: UUID) -> Sequence[Asset]:
        """The video's outputs, by kind; empty before READY and after deletion."""

    async def replace_assets(self, video_id: UUID, assets: Sequence[Asset]) -> None:
        """Keep these outputs instead of any others."""

    async def note(self, video_id: UUID, entry: Entry) -> None:
        """Add an entry to the timeline."""

    async def find_claim(self, upload_id: UUID) -> int | None:
        """The generation that this upload was given, if it has claimed before."""

    async def keep_claim(self, video_id: UUID, upload_id: UUID, generation: int) -> None:
        """Remember what this upload was given last."""

    async def note_progress(self, video_id: UUID, generation: int, progress: RunProgress) -> None:
        """Keep the highest percent of a generation, and what was last said about its remaining time.

        Ignored for another generation than the present one, and when the video is not under way.
        """

    async def find_quiet(
        self, claimed: timedelta, uploading: timedelta, processing: timedelta, limit: int
    ) -> Sequence[Quiet]:
        """Videos that an upload holds in DRAFT, that are UPLOADING, respectively UPLOADED or PROCESSING, not heard of
        for so long; the quietest first."""

    async def ask_later(self, video_id: UUID) -> None:
        """Let others be asked after before a video about which no answer could be had."""

    async def now(self) -> datetime:
        """The time at which the transaction began, by PostgreSQL's clock."""

    async def find_abandoned(self, age: timedelta, limit: int) -> Sequence[UUID]:
        """Videos that were created so long ago and are still DRAFT or REJECTED_*, with no upload about to begin."""
