"""What playing needs: stored playlists and signed URLs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.catalog.domain.playback import Playable


@dataclass(frozen=True, slots=True)
class SignedUrl:
    """A URL that whoever has it may read until `expires_at`."""

    url: str
    expires_at: datetime


class FindPlayable(Protocol):
    """Looks a video up: its present state, or None if it has no playlists."""

    async def __call__(self, video_id: UUID) -> Playable | None: ...


class ReadPlaylist(Protocol):
    """Reads a stored playlist by its S3 key; None if there is no such object. Raises Unavailable, PlaylistBroken."""

    async def __call__(self, s3_key: str) -> str | None: ...


class SignAsset(Protocol):
    """Makes the URL under which an asset is played: of the object itself, or of the playlist that GetPlaylist makes.

    `for_owner` where others may not see the video: such a playlist URL works only while its owner may play it.
    """

    async def __call__(self, video_id: UUID, kind: str, s3_key: str, *, for_owner: bool) -> SignedUrl: ...


class SignUrl(Protocol):
    """Makes the URL under which an object can be read in the present window; the same for everybody."""

    async def __call__(self, s3_key: str) -> SignedUrl: ...
