"""Reads HLS as RFC 8216 says that it must be: every rule that a violation of would be seen by some player."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import av
import m3u8
import pytest

SEGMENT_SECONDS = 6
_PACKET = 188


@dataclass(frozen=True)
class Segment:
    """One segment as it is decoded: times of its pictures on the stream's clock, whether the first is a keyframe."""

    path: Path
    told_seconds: float
    times: list[float]
    begins_with_key: bool

    @property
    def bits(self) -> int:
        return 8 * self.path.stat().st_size


def check_hls(master: Path, sizes: list[tuple[int, int]], *, seconds: float, rate: float, audio: bool) -> None:
    """Fails unless the presentation keeps the rules and holds these renditions."""
    text = master.read_text("utf-8")
    assert text.startswith("#EXTM3U\n")
    assert text.count("#EXT-X-VERSION:") == 1
    playlist = m3u8.loads(text)
    assert playlist.is_variant
    assert playlist.is_independent_segments
    assert [variant.stream_info.resolution for variant in playlist.playlists] == sizes
    boundaries = []
    for variant in playlist.playlists:
        info = variant.stream_info
        segments = _read_media(master.with_name(variant.uri))
        spans = [segment.told_seconds for segment in segments]
        assert sum(spans) == pytest.approx(seconds, abs=1.5 / rate)
        assert info.frame_rate == pytest.approx(rate, abs=0.001)
        # RFC 6381's name of what the stream itself says.
        assert info.codecs == ",".join([_avc_name(segments[0].path), *(["mp4a.40.2"] if audio else [])])
        assert info.average_bandwidth == pytest.approx(sum(s.bits for s in segments) / sum(spans), rel=0.01)
        assert info.bandwidth == pytest.approx(_peak(segments), rel=0.01)
        assert info.bandwidth >= info.average_bandwidth
        boundaries.append([round(segment.times[0], 3) for segment in segments])
        for segment in segments:
            with av.open(str(segment.path)) as container:
                video = container.streams.video[0]
                assert (video.codec_context.width, video.codec_context.height) == info.resolution
                assert [stream.type for stream in container.streams] == ["video", "audio"][: 1 + audio]
    # Aligned: a player may change the variant at every boundary.
    assert all(boundary == boundaries[0] for boundary in boundaries)


def first_playlist(master: Path) -> Path:
    """The media playlist of the first variant."""
    return master.with_name(m3u8.load(str(master)).playlists[0].uri)


def _read_media(path: Path) -> list[Segment]:
    text = path.read_text("utf-8")
    playlist = m3u8.loads(text)
    assert text.startswith("#EXTM3U\n")
    assert (playlist.is_endlist, playlist.playlist_type, playlist.media_sequence) == (True, "vod", 0)
    assert text.rstrip().endswith("#EXT-X-ENDLIST")
    assert re.search(r"^#EXT-X-TARGETDURATION:[1-9]\d*$", text, re.MULTILINE)
    segments = [_read_segment(path.with_name(segment.uri), segment.duration) for segment in playlist.segments]
    assert segments
    # A duration, rounded, is at most the target; and 6 s are meant.
    assert max(round(segment.told_seconds) for segment in segments) <= playlist.target_duration <= SEGMENT_SECONDS
    starts = [segment.times[0] for segment in segments]
    for number, segment in enumerate(segments):
        assert segment.begins_with_key
        if number + 1 < len(segments):
            assert segment.told_seconds == pytest.approx(SEGMENT_SECONDS, abs=0.11)
            # What the playlist says is what the pictures do, to the next segment's first.
            assert starts[number + 1] - starts[number] == pytest.approx(segment.told_seconds, abs=0.002)
    steps = [later - before for s in segments for before, later in itertools.pairwise(s.times)]
    if steps:
        across = [after.times[0] - before.times[-1] for before, after in itertools.pairwise(segments)]
        assert all(step == pytest.approx(steps[0], abs=0.002) for step in (*steps, *across))
    return segments


def _read_segment(path: Path, told_seconds: float) -> Segment:
    data = path.read_bytes()
    assert len(data) % _PACKET == 0
    # Tables first, so that a player can begin with any segment: PAT (packet 0 or behind an SDT), then PMT.
    packets = [int.from_bytes(data[at + 1 : at + 3], "big") & 0x1FFF for at in range(0, 4 * _PACKET, _PACKET)]
    assert 0 in packets[:2]
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return Segment(path, told_seconds, [float(frame.time or 0) for frame in frames], bool(frames[0].key_frame))


def _avc_name(segment: Path) -> str:
    """Profile, constraints and level from the sequence parameter set that the segment itself holds."""
    data = segment.read_bytes()
    at = next(found.end() for found in re.finditer(rb"\x00\x00\x01[\x07\x27\x47\x67]", data))
    return f"avc1.{data[at : at + 3].hex()}"


def _peak(segments: list[Segment]) -> float:
    """The largest bit rate of segments in a row that last between half and one and a half target durations."""
    target = max(1, *(round(segment.told_seconds) for segment in segments))
    rates = []
    for first in range(len(segments)):
        for last in range(first, len(segments)):
            run = segments[first : last + 1]
            span = sum(segment.told_seconds for segment in run)
            if target / 2 <= span <= target * 1.5:
                rates.append(sum(segment.bits for segment in run) / span)
    return max(rates, default=sum(s.bits for s in segments) / sum(s.told_seconds for s in segments))
