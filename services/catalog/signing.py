"""Signed URLs: of objects by presigning them in S3, of playlists by a token of ours.

URLs are made for the present window (domain.playback) and remembered, so that everybody gets the same ones.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from chassis.clock import Clock
from services.catalog.domain.playback import MASTER, WINDOW, Grant, token_of, window_at
from services.catalog.ports.playback import SignAsset, SignedUrl, SignUrl

REMEMBERED_URLS = 20_000

HLS = "HLS"


class Presigner(Protocol):
    """What is needed of chassis.object_store."""

    async def presign_get(self, key: str, *, expires_seconds: int, signed_at: datetime | None = None) -> str: ...


def s3_urls(store: Presigner, clock: Clock) -> SignUrl:
    """Signs with S3's own query signature, for the public endpoint; remembers 20,000 URLs, the latest."""
    remembered: dict[tuple[str, datetime], SignedUrl] = {}

    async def sign(s3_key: str) -> SignedUrl:
        window = window_at(clock())
        known = remembered.get((s3_key, window.ends_at))
        if known is not None:
            return known
        url = await store.presign_get(s3_key, expires_seconds=int(WINDOW.total_seconds()), signed_at=window.starts_at)
        signed = remembered[s3_key, window.ends_at] = SignedUrl(url, window.ends_at)
        if len(remembered) > REMEMBERED_URLS:
            del remembered[next(iter(remembered))]
        return signed

    return sign


def asset_urls(sign: SignUrl, *, public_base_url: str, key: bytes, clock: Clock) -> SignAsset:
    """Signs playlists with `key`, at the gateway's public URL, and everything else with `sign`."""
    base = public_base_url.rstrip("/")

    async def sign_asset(video_id: UUID, kind: str, s3_key: str, *, for_owner: bool) -> SignedUrl:
        if kind != HLS:
            return await sign(s3_key)
        grant = Grant.of(s3_key, for_owner=for_owner, now=clock())
        url = f"{base}/v1/videos/{video_id}/hls/{MASTER}?token={token_of(key, video_id, grant)}"
        return SignedUrl(url, grant.ends_at)

    return sign_asset
