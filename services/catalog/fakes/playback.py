"""Stored playlists and signed URLs without S3."""

from collections.abc import Mapping

from chassis.clock import Clock
from services.catalog.domain.playback import window_at
from services.catalog.ports.playback import SignedUrl, SignUrl


class FakePlaylists:
    """Implements `ports.playback.ReadPlaylist`."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        self.stored = dict(stored)

    async def __call__(self, s3_key: str) -> str | None:
        return self.stored.get(s3_key)


def fake_urls(clock: Clock) -> SignUrl:
    """Makes URLs that differ by key and window, as signed ones do."""

    async def sign(s3_key: str) -> SignedUrl:
        window = window_at(clock())
        return SignedUrl(f"https://s3.test/{s3_key}?until={window.ends_at:%Y%m%dT%H%M%SZ}", window.ends_at)

    return sign
