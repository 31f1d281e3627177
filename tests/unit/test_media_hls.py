"""The playlists that are written, and what is read from those that a converter made."""

from fractions import Fraction
from pathlib import Path

import m3u8
import pytest

from services.media.ladder import LADDER, Rendition
from services.media.transcoders.ffmpeg.hls import (
    Segment,
    Variant,
    codecs_of,
    master_playlist,
    media_playlist,
    read_segments,
)

MEDIA = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:6
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXTINF:6.000000,
720p_000.ts
#EXTINF:1.500000,
720p_001.ts
#EXT-X-ENDLIST
"""


def test_segments_are_read_with_their_durations_and_sizes(tmp_path: Path) -> None:
    (tmp_path / "720p.m3u8").write_text(MEDIA)
    (tmp_path / "720p_000.ts").write_bytes(bytes(600))
    (tmp_path / "720p_001.ts").write_bytes(bytes(300))
    assert read_segments(tmp_path / "720p.m3u8") == [
        Segment("720p_000.ts", 6.0, 600),
        Segment("720p_001.ts", 1.5, 300),
    ]


def test_a_media_playlist_says_of_its_segments_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "720p_000.ts").write_bytes(bytes(600))
    (tmp_path / "720p_001.ts").write_bytes(bytes(300))
    (tmp_path / "720p.m3u8").write_text(MEDIA)
    segments = read_segments(tmp_path / "720p.m3u8")
    assert media_playlist(segments) == MEDIA


def test_the_target_duration_is_never_0() -> None:
    assert m3u8.loads(media_playlist([Segment("a_0.ts", 0.4, 188)])).target_duration == 1


@pytest.mark.parametrize(
    "name",
    ["http://elsewhere/720p_000.ts", "../720p_000.ts", "/720p_000.ts", "480p_000.ts", "720p_000.ts?to=whom", "720p"],
)
def test_a_segment_that_is_not_the_playlists_own_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "720p_001.ts").write_bytes(bytes(300))
    (tmp_path / "720p.m3u8").write_text(MEDIA.replace("720p_000.ts", name))
    with pytest.raises(ValueError, match="not its own"):
        read_segments(tmp_path / "720p.m3u8")


def test_a_segment_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "720p_001.ts").write_bytes(bytes(300))
    (tmp_path / "720p.m3u8").write_text(MEDIA.replace("720p_000.ts", "720p_001.ts"))
    with pytest.raises(ValueError, match="not its own"):
        read_segments(tmp_path / "720p.m3u8")


def test_the_master_playlist_says_average_codecs_size_rate_and_the_peak_but_of_no_short_rest() -> None:
    variants = [
        Variant(
            Rendition(rung, size),
            f"renditions/hls/{rung.name}.m3u8",
            (Segment("a.ts", 6.0, 750_000), Segment("b.ts", 6.0, 1_500_000), Segment("c.ts", 0.5, 187_500)),
            "avc1.64001f,mp4a.40.2",
            Fraction(30_000, 1001),
        )
        for rung, size in zip(LADDER, [(1280, 720), (854, 480)], strict=False)
    ]
    parsed = m3u8.loads(master_playlist(variants))
    first = parsed.playlists[0]
    assert parsed.is_variant
    assert [playlist.uri for playlist in parsed.playlists] == ["720p.m3u8", "480p.m3u8"]
    assert (first.stream_info.bandwidth, first.stream_info.average_bandwidth) == (2_076_923, 1_560_000)
    assert first.stream_info.codecs == "avc1.64001f,mp4a.40.2"
    assert (first.stream_info.resolution, first.stream_info.frame_rate) == ((1280, 720), 29.97)


@pytest.mark.parametrize(("audio", "expected"), [(True, "avc1.64001f,mp4a.40.2"), (False, "avc1.64001f")])
def test_codecs_are_read_from_the_file(audio: bool, expected: str, tmp_path: Path) -> None:
    mp4 = tmp_path / "video.mp4"
    mp4.write_bytes(b"....moov....avcC\x01\x64\x00\x1f\xff....")
    assert codecs_of(mp4, audio=audio) == expected
