"""URLs and stored playlists: every signer keeps the same promises."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from chassis.object_store import ObjectNotFound
from services.catalog import playlists, signing
from services.catalog.domain.playback import PlaylistBroken, grant_of
from services.catalog.fakes.playback import fake_urls
from services.catalog.playlists import MAX_PLAYLIST_BYTES, stored_playlists
from services.catalog.ports.playback import SignUrl
from services.catalog.settings import CdnSettings
from services.catalog.signing import asset_urls, cloudfront_urls, s3_urls

PEM_OF_ANOTHER_KIND = (
    ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
KEY = b"a key of at least thirty-two bytes"
VIDEO = UUID("11111111-1111-4111-8111-111111111111")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Presigner:
    """Counts what is signed; the URL shows what it was signed with."""

    def __init__(self) -> None:
        self.calls = 0

    async def presign_get(self, key: str, *, expires_seconds: int, signed_at: datetime | None = None) -> str:
        self.calls += 1
        return f"https://s3.example/{key}?from={signed_at}&for={expires_seconds}"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

SIGNERS: dict[str, Callable[[Clock], SignUrl]] = {
    "S3": lambda clock: s3_urls(Presigner(), clock),
    "CloudFront": lambda clock: cloudfront_urls("https://cdn.example/", "K1", PRIVATE_KEY, clock),
    "fake": fake_urls,
}


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
async def test_every_signer_makes_one_url_a_window_for_everybody(signer: Callable[[Clock], SignUrl]) -> None:
    clock = Clock()
    sign, elsewhere = signer(clock), signer(clock)
    first = await sign("videos/a b/thumbnail.jpg")
    assert first.expires_at == NOON + timedelta(minutes=15)
    clock.now += timedelta(minutes=4, seconds=59)
    assert await sign("videos/a b/thumbnail.jpg") == await elsewhere("videos/a b/thumbnail.jpg") == first
    assert (await sign("videos/another")).url != first.url
    clock.now += timedelta(seconds=1)
    assert (await sign("videos/a b/thumbnail.jpg")).url != first.url


def verify(url: str) -> None:
    """As CloudFront does for a canned policy. Raises InvalidSignature."""
    resource, _, query = url.partition("?")
    given = {name: value for name, (value,) in parse_qs(query, strict_parsing=True).items()}
    assert given["Key-Pair-Id"] == "K1"
    condition = {"DateLessThan": {"AWS:EpochTime": int(given["Expires"])}}
    policy = json.dumps({"Statement": [{"Resource": resource, "Condition": condition}]}, separators=(",", ":"))
    signature = base64.b64decode(given["Signature"].replace("-", "+").replace("_", "=").replace("~", "/"))
    PRIVATE_KEY.public_key().verify(signature, policy.encode(), PKCS1v15(), SHA1())  # noqa: S303


async def test_a_cdn_url_verifies_with_the_public_key_and_opens_no_other_object() -> None:
    sign = SIGNERS["CloudFront"](Clock())
    url = (await sign("videos/one/preview clip.mp4")).url
    assert url.startswith("https://cdn.example/videos/one/preview%20clip.mp4?Expires=")
    verify(url)
    (expires,) = parse_qs(urlsplit(url).query)["Expires"]
    assert int(expires) == (NOON + timedelta(minutes=15)).timestamp()
    for wrong in (url.replace("/one/", "/two/"), url.replace(expires, str(int(expires) + 1))):
        with pytest.raises(InvalidSignature):
            verify(wrong)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"base_url": "https://cdn.example"}, "NEXTPLAY_CDN_KEY_ID"),
        ({"private_key": "not a key"}, "RSA private key in PEM"),
        ({"private_key": PEM_OF_ANOTHER_KIND}, "must be an RSA private key"),
    ],
)
def test_half_a_distribution_is_refused_at_the_start(given: dict[str, str], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        CdnSettings.model_validate(given)


async def test_a_url_is_signed_for_its_window_and_says_when_it_ends() -> None:
    signed = await s3_urls(Presigner(), Clock())("key")
    assert signed.url == f"https://s3.example/key?from={NOON}&for=900"
    assert signed.expires_at == NOON + timedelta(minutes=15)


async def test_a_url_is_signed_once_in_its_window_for_everybody() -> None:
    presigner, clock = Presigner(), Clock()
    sign = s3_urls(presigner, clock)
    first = await sign("key")
    clock.now += timedelta(minutes=4, seconds=59)
    assert await sign("key") == first
    assert presigner.calls == 1
    clock.now += timedelta(seconds=1)
    assert await sign("key") != first


async def test_no_more_urls_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "REMEMBERED_URLS", 2)
    presigner = Presigner()
    sign = s3_urls(presigner, Clock())
    for key in ("a", "b", "c", "c", "b"):
        await sign(key)
    assert presigner.calls == 3
    await sign("a")
    assert presigner.calls == 4


@pytest.mark.parametrize("for_owner", [False, True])
async def test_a_playlist_url_leads_to_the_gateway_with_a_token(for_owner: bool) -> None:
    sign = asset_urls(s3_urls(Presigner(), Clock()), public_base_url="https://api.example/", key=KEY, clock=Clock())
    signed = await sign(VIDEO, "HLS", "prefix/master.m3u8", for_owner=for_owner)
    url = urlsplit(signed.url)
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"https://api.example/v1/videos/{VIDEO}/hls/master.m3u8"
    (token,) = parse_qs(url.query)["token"]
    grant = grant_of(KEY, VIDEO, token, NOON)
    assert (grant.for_owner, grant.ends_at) == (for_owner, signed.expires_at)


async def test_every_other_asset_is_signed_as_the_object_it_is() -> None:
    sign = asset_urls(s3_urls(Presigner(), Clock()), public_base_url="https://api.example", key=KEY, clock=Clock())
    assert (await sign(VIDEO, "THUMB", "prefix/thumbnail.jpg", for_owner=False)).url.startswith(
        "https://s3.example/prefix/thumbnail.jpg?"
    )


class Objects:
    def __init__(self, stored: dict[str, bytes]) -> None:
        self.stored = stored
        self.reads = 0

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        self.reads += 1
        if key not in self.stored:
            raise ObjectNotFound(key)
        return self.stored[key][start : start + length]


async def test_a_stored_playlist_is_read_once() -> None:
    objects = Objects({"key": b"#EXTM3U\n"})
    read = stored_playlists(objects)
    assert await read("key") == await read("key") == "#EXTM3U\n"
    assert objects.reads == 1


async def test_a_playlist_that_is_not_stored_is_none_and_is_looked_for_again() -> None:
    objects = Objects({})
    read = stored_playlists(objects)
    assert await read("key") is None
    objects.stored["key"] = b"#EXTM3U\n"
    assert await read("key") == "#EXTM3U\n"


@pytest.mark.parametrize("stored", [b"#" * (MAX_PLAYLIST_BYTES + 1), b"\xff\xfe"], ids=["too long", "no text"])
async def test_what_cannot_be_a_playlist_is_broken(stored: bytes) -> None:
    with pytest.raises(PlaylistBroken):
        await stored_playlists(Objects({"key": stored}))("key")


async def test_no_more_playlists_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playlists, "REMEMBERED_PLAYLISTS", 1)
    objects = Objects({"a": b"#EXTM3U\n", "b": b"#EXTM3U\n"})
    read = stored_playlists(objects)
    for key in ("a", "b", "b", "a"):
        await read(key)
    assert objects.reads == 3
