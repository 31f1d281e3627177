"""Stored playlists, from S3. They never change, so they are remembered."""

from typing import Protocol

from chassis.object_store import ObjectNotFound
from services.catalog.domain.playback import PlaylistBroken
from services.catalog.ports.playback import ReadPlaylist

MAX_PLAYLIST_BYTES = 64 * 1024
REMEMBERED_PLAYLISTS = 1_000


class Reader(Protocol):
    """What is needed of chassis.object_store."""

    async def get_range(self, key: str, start: int, length: int) -> bytes: ...


def stored_playlists(store: Reader) -> ReadPlaylist:
    """Reads at most 64 KiB; remembers 1,000 playlists, the latest."""
    remembered: dict[str, str] = {}

    async def read(s3_key: str) -> str | None:
        if s3_key in remembered:
            return remembered[s3_key]
        try:
            stored = await store.get_range(s3_key, 0, MAX_PLAYLIST_BYTES + 1)
        except ObjectNotFound:
            return None
        if len(stored) > MAX_PLAYLIST_BYTES:
            raise PlaylistBroken(f"{s3_key} is longer than {MAX_PLAYLIST_BYTES} bytes")
        try:
            text = remembered[s3_key] = stored.decode()
        except UnicodeDecodeError as error:
            raise PlaylistBroken(f"{s3_key} is no text") from error
        if len(remembered) > REMEMBERED_PLAYLISTS:
            del remembered[next(iter(remembered))]
        return text

    return read
