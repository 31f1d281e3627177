"""Playing from the real, private bucket: what a player gets with nothing but the URL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import parse_qs, urljoin, urlsplit
from uuid import UUID, uuid4

import httpx
import m3u8
import pytest
from catalog_rows import change_video, insert_asset, insert_video
from scratch import Scratch

from chassis.clock import utc_now
from chassis.errors import Failure
from chassis.object_store import ObjectStore
from chassis.postgres import Pool, open_pool
from nextplay.catalog.v1.playback_service_pb2 import GetPlaylistRequest
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.playback import PlaybackTokenInvalid, PlaylistNotFound
from services.catalog.playlists import stored_playlists
from services.catalog.ports.playback import SignAsset
from services.catalog.servicer.playback import Playback
from services.catalog.signing import asset_urls, s3_urls

CONTEXT = None
KEY = b"a key of at least thirty-two bytes"
BASE = "https://api.test"
SEGMENT = b"the bytes of a segment"

MASTER = '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=500000,RESOLUTION=426x240,CODECS="avc1.64000d"\n240p.m3u8\n'
VARIANT = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,\n240p_000.ts\n#EXT-X-ENDLIST\n"


@dataclass
class Player:
    """Knows URLs only."""

    servicer: Playback

    async def read(self, url: str) -> str:
        """What GET answers under a playlist's URL."""
        parts = urlsplit(url)
        _, _, _, video_id, _, playlist = parts.path.split("/")
        (token,) = parse_qs(parts.query)["token"]
        request = GetPlaylistRequest(video_id=video_id, playlist=playlist, token=token)
        reply = await self.servicer.GetPlaylist(request, CONTEXT)
        assert reply.content_type == "application/vnd.apple.mpegurl"
        return reply.data.decode()

    async def first_variant(self, url: str) -> str:
        return urljoin(url, str(m3u8.loads(await self.read(url)).playlists[0].uri))

    async def first_segment(self, url: str) -> str:
        (segment,) = m3u8.loads(await self.read(await self.first_variant(url))).segments
        return str(segment.uri)


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def link(object_store: ObjectStore) -> SignAsset:
    return asset_urls(s3_urls(object_store, utc_now), public_base_url=BASE, key=KEY, clock=utc_now)


@pytest.fixture
def player(pool: Pool, object_store: ObjectStore) -> Player:
    sign = s3_urls(object_store, utc_now)
    return Player(Playback(pool, stored_playlists(object_store), sign, utc_now, KEY))


@pytest.fixture
async def video(pool: Pool, object_store: ObjectStore, prefix: str) -> UUID:
    """A published public video with one variant of one segment."""
    hls = f"{prefix}renditions/hls/"
    await object_store.put(f"{hls}master.m3u8", MASTER.encode(), content_type="application/vnd.apple.mpegurl")
    await object_store.put(f"{hls}240p.m3u8", VARIANT.encode(), content_type="application/vnd.apple.mpegurl")
    await object_store.put(f"{hls}240p_000.ts", SEGMENT, content_type="video/mp2t")
    video_id = await insert_video(pool, uuid4(), with_assets=False)
    await insert_asset(pool, video_id, "HLS", f"{hls}master.m3u8")
    return video_id


@pytest.fixture
def master_key(prefix: str) -> str:
    return f"{prefix}renditions/hls/master.m3u8"


async def test_a_player_comes_from_the_url_to_the_bytes_of_a_segment(
    player: Player, link: SignAsset, video: UUID, master_key: str
) -> None:
    url = (await link(video, "HLS", master_key, for_owner=False)).url
    async with httpx.AsyncClient() as http:
        reply = await http.get(await player.first_segment(url))
    assert (reply.status_code, reply.content) == (200, SEGMENT)


async def test_the_same_objects_give_nothing_without_a_signature(
    player: Player, link: SignAsset, video: UUID, master_key: str
) -> None:
    segment = await player.first_segment((await link(video, "HLS", master_key, for_owner=False)).url)
    async with httpx.AsyncClient() as http:
        unsigned = await http.get(segment.partition("?")[0])
        forged = await http.get(segment[:-1] + ("0" if segment[-1] != "0" else "1"))
    assert (unsigned.status_code, forged.status_code) == (403, 403)


@pytest.mark.parametrize(
    ("status", "visibility"), [("DELETED", "public"), ("PUBLISHED", "private")], ids=["deleted", "private"]
)
async def test_playlists_stop_at_once_when_a_video_is_taken_back(
    pool: Pool, player: Player, link: SignAsset, video: UUID, master_key: str, status: str, visibility: str
) -> None:
    url = (await link(video, "HLS", master_key, for_owner=False)).url
    variant = await player.first_variant(url)
    await player.read(variant)
    await change_video(pool, video, status=status, visibility=visibility)
    for known in (url, variant):
        with pytest.raises(VideoNotFound):
            await player.read(known)


async def test_the_owner_goes_on_to_play_what_was_made_private(
    pool: Pool, player: Player, link: SignAsset, video: UUID, master_key: str
) -> None:
    await change_video(pool, video, visibility="private")
    assert await player.first_segment((await link(video, "HLS", master_key, for_owner=True)).url)


async def test_the_assets_of_a_deleted_video_are_not_found_with_a_token_from_before(
    pool: Pool, player: Player, link: SignAsset, video: UUID, master_key: str
) -> None:
    url = (await link(video, "HLS", master_key, for_owner=True)).url
    await pool.execute("DELETE FROM video_assets WHERE video_id = $1", video)
    with pytest.raises(VideoNotFound):
        await player.read(url)


@pytest.mark.parametrize(
    ("path", "failure"),
    [
        ("hls/240p_000.ts", PlaylistNotFound),
        ("hls/480p.m3u8", PlaylistNotFound),
        ("hls/..", PlaylistNotFound),
    ],
)
async def test_no_other_object_comes_through_the_playlists(
    player: Player, link: SignAsset, video: UUID, master_key: str, path: str, failure: type[Failure]
) -> None:
    token = (await link(video, "HLS", master_key, for_owner=False)).url.partition("?")[2]
    with pytest.raises(failure):
        await player.read(f"{BASE}/v1/videos/{video}/{path}?{token}")


async def test_a_token_opens_no_other_video(player: Player, link: SignAsset, video: UUID, master_key: str) -> None:
    url = (await link(video, "HLS", master_key, for_owner=False)).url
    with pytest.raises(PlaybackTokenInvalid):
        await player.read(url.replace(str(video), str(uuid4())))
