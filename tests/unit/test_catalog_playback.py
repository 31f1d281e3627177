import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import m3u8
import pytest

from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.playback import (
    Grant,
    Playable,
    PlaybackTokenInvalid,
    PlaylistBroken,
    PlaylistNotFound,
    grant_of,
    names_in,
    token_of,
    window_at,
    with_token,
)
from services.catalog.domain.video import Status, Visibility
from services.catalog.fakes.playback import FakePlaylists, fake_urls
from services.catalog.usecases.playback import get_playlist

KEY = b"a key of at least thirty-two bytes"
NOW = datetime(2026, 1, 1, 12, 3, 20, tzinfo=UTC)
VIDEO = UUID("11111111-1111-4111-8111-111111111111")
PREFIX = "videos/owner/video/run-1/renditions/hls/"
PUBLIC = Playable(Status.PUBLISHED, Visibility.PUBLIC, PREFIX + "master.m3u8")

MASTER = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2500000,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"
720p.m3u8

#EXT-X-STREAM-INF:BANDWIDTH=600000,AVERAGE-BANDWIDTH=500000,RESOLUTION=426x240,CODECS="avc1.64000d,mp4a.40.2"
240p.m3u8
"""
VARIANT = """#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:6
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MAP:URI="720p_init.mp4"
#EXTINF:6.000000,
720p_000.m4s
#EXTINF:4.000000,
720p_001.m4s
#EXT-X-ENDLIST
"""
STORED = {
    PREFIX + "master.m3u8": MASTER,
    PREFIX + "720p.m3u8": VARIANT,
    PREFIX + "secret.m3u8": VARIANT,
}


def token(playable: Playable = PUBLIC, *, for_owner: bool = False, video_id: UUID = VIDEO, key: bytes = KEY) -> str:
    return token_of(key, video_id, Grant.of(playable.master_key, for_owner=for_owner, now=NOW))


async def playlist(
    name: str,
    token: str,
    *,
    playable: Playable | None = PUBLIC,
    stored: Mapping[str, str] = STORED,
    now: datetime = NOW,
) -> str:
    async def find(video_id: UUID) -> Playable | None:
        return playable if video_id == VIDEO else None

    return await get_playlist(find, FakePlaylists(stored), fake_urls(lambda: now), KEY, VIDEO, name, token, now)


def test_a_window_begins_at_the_last_full_five_minutes_and_lasts_fifteen() -> None:
    window = window_at(NOW)
    assert window.starts_at == datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert window.ends_at == datetime(2026, 1, 1, 12, 15, tzinfo=UTC)


@pytest.mark.parametrize("second", [0, 1, 299])
def test_everybody_who_asks_in_the_same_five_minutes_gets_the_same_window(second: int) -> None:
    start = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    assert window_at(start + timedelta(seconds=second)) == window_at(start)
    assert window_at(start + timedelta(seconds=300)) != window_at(start)


def test_a_token_says_what_was_granted() -> None:
    for for_owner in (False, True):
        grant = grant_of(KEY, VIDEO, token(for_owner=for_owner), NOW)
        assert grant == Grant.of(PUBLIC.master_key, for_owner=for_owner, now=NOW)


def test_equal_grants_have_equal_tokens() -> None:
    assert token() == token()


def test_a_token_ends_with_its_window() -> None:
    end = window_at(NOW).ends_at
    grant_of(KEY, VIDEO, token(), end - timedelta(seconds=1))
    with pytest.raises(PlaybackTokenInvalid):
        grant_of(KEY, VIDEO, token(), end)


def changed_in_one_bit(text: str, byte: int) -> str:
    packed = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    packed[byte] ^= 1
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


@pytest.mark.parametrize("byte", range(29))
def test_a_token_that_differs_in_any_byte_is_refused(byte: int) -> None:
    with pytest.raises(PlaybackTokenInvalid):
        grant_of(KEY, VIDEO, changed_in_one_bit(token(), byte), NOW)


@pytest.mark.parametrize(
    "wrong",
    ["", "x", "ä", "=" * 40, "A" * 39, "A" * 10_000, token() + "A", token()[:-1], token(key=b"another key")],
)
def test_what_is_no_token_of_ours_is_refused(wrong: str) -> None:
    with pytest.raises(PlaybackTokenInvalid):
        grant_of(KEY, VIDEO, wrong, NOW)


def test_a_token_of_another_video_is_refused() -> None:
    with pytest.raises(PlaybackTokenInvalid):
        grant_of(KEY, VIDEO, token(video_id=UUID(int=1)), NOW)


async def test_the_master_leads_to_its_variants_with_the_token() -> None:
    text = await playlist("master.m3u8", token())
    parsed = m3u8.loads(text)
    assert [variant.uri for variant in parsed.playlists] == [f"720p.m3u8?token={token()}", f"240p.m3u8?token={token()}"]
    assert parsed.playlists[0].stream_info.codecs == "avc1.64001f,mp4a.40.2"
    assert parsed.playlists[1].stream_info.resolution == (426, 240)


async def test_a_variant_leads_to_signed_objects_and_keeps_its_tags() -> None:
    parsed = m3u8.loads(await playlist("720p.m3u8", token()))
    signed = fake_urls(lambda: NOW)
    assert parsed.segment_map[0].uri == (await signed(PREFIX + "720p_init.mp4")).url
    assert [segment.uri for segment in parsed.segments] == [
        (await signed(PREFIX + name)).url for name in ("720p_000.m4s", "720p_001.m4s")
    ]
    assert [segment.duration for segment in parsed.segments] == [6.0, 4.0]
    assert parsed.is_endlist


@pytest.mark.parametrize(
    "name",
    [
        "secret.m3u8",
        "absent.m3u8",
        "../hls/720p.m3u8",
        "..",
        "",
        "720p_000.m4s",
        "720p.m3u8/",
        "720p.m3u8\n",
        "%2e%2e.m3u8",
        "x" * 65 + ".m3u8",
    ],
)
async def test_only_the_master_and_what_it_names_can_be_read(name: str) -> None:
    with pytest.raises(PlaylistNotFound):
        await playlist(name, token())


async def test_a_variant_that_the_master_names_and_nobody_stored_is_not_found() -> None:
    with pytest.raises(PlaylistNotFound):
        await playlist("240p.m3u8", token())


UNLISTED = replace(PUBLIC, visibility=Visibility.UNLISTED)
PRIVATE = replace(PUBLIC, visibility=Visibility.PRIVATE)
READY = replace(PUBLIC, status=Status.READY)
DELETED = replace(PUBLIC, status=Status.DELETED)


@pytest.mark.parametrize("playable", [PUBLIC, UNLISTED], ids=["public", "unlisted"])
@pytest.mark.parametrize("for_owner", [False, True], ids=["viewer", "owner"])
async def test_whoever_has_the_link_of_an_open_video_plays_it(playable: Playable, for_owner: bool) -> None:
    assert await playlist("master.m3u8", token(for_owner=for_owner), playable=playable)


@pytest.mark.parametrize("playable", [PRIVATE, READY], ids=["private", "ready"])
async def test_only_the_owner_plays_what_others_may_not_see(playable: Playable) -> None:
    assert await playlist("master.m3u8", token(for_owner=True), playable=playable)
    with pytest.raises(VideoNotFound):
        await playlist("master.m3u8", token(for_owner=False), playable=playable)


@pytest.mark.parametrize("playable", [None, DELETED], ids=["gone", "deleted"])
@pytest.mark.parametrize("for_owner", [False, True], ids=["viewer", "owner"])
async def test_nobody_plays_a_deleted_video(playable: Playable | None, for_owner: bool) -> None:
    for name in ("master.m3u8", "720p.m3u8"):
        with pytest.raises(VideoNotFound):
            await playlist(name, token(for_owner=for_owner), playable=playable)


async def test_a_token_of_an_earlier_run_does_not_open_a_later_one() -> None:
    later = replace(PUBLIC, master_key=PUBLIC.master_key.replace("run-1", "run-2"))
    with pytest.raises(VideoNotFound):
        await playlist("master.m3u8", token(PUBLIC), playable=later)


async def test_a_wrong_token_tells_nothing_about_the_video() -> None:
    for playable in (PUBLIC, None):
        with pytest.raises(PlaybackTokenInvalid):
            await playlist("master.m3u8", "wrong", playable=playable)


@pytest.mark.parametrize(
    "line",
    [
        "../720p.m3u8",
        "/etc/passwd",
        "https://example.com/720p.m3u8",
        "a b.m3u8",
        "..",
        ".hidden",
        '#EXT-X-MEDIA:TYPE=AUDIO,URI="../audio.m3u8"',
    ],
)
def test_a_stored_playlist_that_leads_elsewhere_is_broken(line: str) -> None:
    with pytest.raises(PlaylistBroken):
        with_token(f"#EXTM3U\n{line}\n", "token")


@pytest.mark.parametrize("text", ["", "\n", "<html></html>", "720p.m3u8"])
def test_what_is_no_playlist_is_broken(text: str) -> None:
    with pytest.raises(PlaylistBroken):
        names_in(text)
