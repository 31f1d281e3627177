"""Signed URLs: of objects by presigning them in S3 or for CloudFront, of playlists by a token of ours.

URLs are made for the present window (domain.playback) and remembered, so that everybody gets the same ones.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import quote
from uuid import UUID

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1

from chassis.clock import Clock
from services.catalog.domain.playback import MASTER, WINDOW, Grant, Window, token_of, window_at
from services.catalog.ports.playback import SignAsset, SignedUrl, SignUrl

REMEMBERED_URLS = 20_000

HLS = "HLS"


class Presigner(Protocol):
    """What is needed of chassis.object_store."""

    async def presign_get(self, key: str, *, expires_seconds: int, signed_at: datetime | None = None) -> str: ...


def s3_urls(store: Presigner, clock: Clock) -> SignUrl:
    """Signs with S3's own query signature, for the public endpoint."""

    async def presign(s3_key: str, window: Window) -> str:
        return await store.presign_get(s3_key, expires_seconds=int(WINDOW.total_seconds()), signed_at=window.starts_at)

    return _remembering(presign, clock)


def cloudfront_urls(base_url: str, key_id: str, key: RSAPrivateKey, clock: Clock) -> SignUrl:
    """Signs with a canned policy for the distribution at `base_url`, whose origin is the bucket.

    `key_id` is the id under which CloudFront knows the public half of `key`.
    """
    base = base_url.rstrip("/")
    # RSA with SHA-1 is what CloudFront verifies.
    signer = CloudFrontSigner(key_id, lambda policy: key.sign(policy, PKCS1v15(), SHA1()))  # noqa: S303 - as CloudFront asks

    async def presign(s3_key: str, window: Window) -> str:
        return str(signer.generate_presigned_url(f"{base}/{quote(s3_key)}", date_less_than=window.ends_at))

    return _remembering(presign, clock)


def _remembering(presign: Callable[[str, Window], Awaitable[str]], clock: Clock) -> SignUrl:
    """Signs each key once in a window; remembers 20,000 URLs, the latest."""
    remembered: dict[tuple[str, datetime], SignedUrl] = {}

    async def sign(s3_key: str) -> SignedUrl:
        window = window_at(clock())
        known = remembered.get((s3_key, window.ends_at))
        if known is not None:
            return known
        url = await presign(s3_key, window)
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
