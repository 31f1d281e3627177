"""What the ladder makes of real clips, measured in the pixels and samples of the outputs."""

import asyncio
import itertools
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest
from media_clips import (
    BT709,
    CORNERS,
    FFMPEG,
    H264,
    Transcoded,
    corners,
    far_apart,
    ffmpeg,
    listen,
    make_clip,
    marked,
    tone,
    transcode,
    watch,
)

from chassis.clock import new_id
from services.media.domain.outcomes import Fault, Rejected
from services.media.fakes import A_SOURCE, MemoryObjects
from services.media.ports import Task
from services.media.transcoders.ffmpeg import FfmpegTranscoder

# What a colour may be off by after two lossy encodes with halved chroma.
NEAR = 14


@pytest.fixture(scope="module")
async def plain(tmp_path_factory: pytest.TempPathFactory) -> Transcoded:
    """A clip of the usual kind: 1280x720, 7.5 s, 30 frames a second, with sound; large enough for every rung."""
    directory = tmp_path_factory.mktemp("plain")
    tagged = directory / "tagged.mp4"
    clip = make_clip(directory / "clip.mp4", (1280, 720), seconds=7.5)
    tags = ("location=+48.1374+011.5755/", "com.apple.quicktime.model=SecretPhone", "title=My home")
    flags = [flag for tag in tags for flag in ("-metadata", tag)]
    ffmpeg("-i", clip, "-c", "copy", "-movflags", "use_metadata_tags", *flags, tagged)
    assert b"SecretPhone" in tagged.read_bytes()
    return await transcode(tagged, directory)


# The usual clip


async def test_every_rung_has_its_size_rate_and_duration(plain: Transcoded) -> None:
    sizes = {"MP4_720": (1280, 720), "MP4_480": (854, 480), "MP4_240": (426, 240), "PREVIEW": (854, 480)}
    assert plain.kinds == ["MP4_720", "MP4_480", "MP4_240", "HLS", "THUMB", "PREVIEW"]
    for kind, size in sizes.items():
        video = watch(plain.file(kind), pictures_of=[0])
        seconds = 3.0 if kind == "PREVIEW" else 7.5
        assert video.size == size
        assert len(video.times) == round(seconds * 30)
        assert video.seconds == pytest.approx(seconds, abs=0.001)
        assert video.frame_rate == pytest.approx(30)
    assert {asset.kind: asset.size for asset in plain.outputs.assets} == {
        **sizes,
        "HLS": (1280, 720),
        "THUMB": (1280, 720),
    }


async def test_every_rendition_is_h264_high_in_bt709(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240", "PREVIEW"):
        stream = watch(plain.file(kind), pictures_of=[]).stream
        assert (stream["codec"], stream["profile"], stream["pix_fmt"]) == ("h264", "High", "yuv420p")
        assert [stream[name] for name in ("primaries", "transfer", "matrix", "range")] == [1, 1, 1, 1]


async def test_pictures_keep_place_and_colour_on_every_rung(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240", "PREVIEW"):
        for picture in watch(plain.file(kind), pictures_of=[0, 89]).pictures:
            assert far_apart(corners(picture), CORNERS) < NEAR


async def test_the_thumbnail_is_the_frame_at_one_second_in_the_same_colours(plain: Transcoded) -> None:
    with av.open(str(plain.file("THUMB"))) as container:
        thumbnail = np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), dtype=np.uint8)
    around = watch(plain.top, pictures_of=range(22, 39))
    differences = [float(np.abs(thumbnail.astype(int) - picture.astype(int)).mean()) for picture in around.pictures]
    assert around.times[30] == 1.0
    assert far_apart(corners(thumbnail), CORNERS) < NEAR
    assert differences.index(min(differences)) == 8


async def test_the_sound_is_kept_and_the_preview_is_silent(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240"):
        samples, rate, channels = listen(plain.file(kind))
        assert (rate, channels) == (48_000, 2)
        assert len(samples) / rate == pytest.approx(7.5, abs=0.06)
    assert watch(plain.file("PREVIEW")).stream["streams"] == ["video"]


async def test_no_tag_of_the_original_survives_anywhere(plain: Transcoded) -> None:
    files = [path for path in plain.directory.rglob("*") if path.is_file() and path.parent != plain.directory]
    files += [plain.file("THUMB"), plain.file("PREVIEW")]
    for path in files:
        data = path.read_bytes()
        assert not any(tag in data for tag in (b"48.1374", b"SecretPhone", b"My home")), path.name
    with av.open(str(plain.top)) as container:
        assert not {"title", "location", "creation_time"} & set(container.metadata)


async def test_an_mp4_can_be_played_while_it_loads(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240", "PREVIEW"):
        data = plain.file(kind).read_bytes()
        assert data.index(b"moov") < data.index(b"mdat")


async def test_hls_says_what_a_player_needs_and_its_segments_hold_it(plain: Transcoded) -> None:
    master = m3u8.load(str(plain.file("HLS")))
    assert master.is_independent_segments
    assert [variant.stream_info.resolution for variant in master.playlists] == [(1280, 720), (854, 480), (426, 240)]
    for variant in master.playlists:
        info = variant.stream_info
        assert info.frame_rate == 30.0
        assert info.codecs.startswith("avc1.64")
        assert info.codecs.endswith(",mp4a.40.2")
        media = m3u8.load(str(plain.file("HLS").parent / variant.uri))
        assert (media.is_endlist, media.playlist_type, media.target_duration) == (True, "vod", 6)
        assert [round(segment.duration, 3) for segment in media.segments] == [6.0, 1.5]
        paths = [plain.file("HLS").parent / segment.uri for segment in media.segments]
        rates = [8 * path.stat().st_size / s.duration for path, s in zip(paths, media.segments, strict=True)]
        assert info.bandwidth >= max(rates) - 1
        assert info.average_bandwidth == pytest.approx(8 * sum(p.stat().st_size for p in paths) / 7.5, rel=0.001)
        for path, segment in zip(paths, media.segments, strict=True):
            video = watch_segment(path)
            assert len(video) == round(segment.duration * 30)
            assert video[0]


def watch_segment(path: Path) -> list[bool]:
    """Whether each frame of a segment is a keyframe."""
    with av.open(str(path)) as container:
        return [bool(frame.key_frame) for frame in container.decode(video=0)]


async def test_keyframes_are_at_the_same_times_on_every_rung(plain: Transcoded) -> None:
    def keyframes(path: Path) -> list[float]:
        with av.open(str(path)) as container:
            return [round(f.time or 0, 3) for f in container.decode(video=0) if f.key_frame]

    times = [keyframes(plain.file(kind)) for kind in ("MP4_720", "MP4_480", "MP4_240")]
    assert times == [[0.0, 3.0, 6.0]] * 3


async def test_the_facts_told_about_outputs_are_true(plain: Transcoded) -> None:
    for asset in plain.outputs.assets:
        path = plain.file(asset.kind)
        if asset.kind == "HLS":
            assert asset.size_bytes == sum(file.stat().st_size for file in path.parent.iterdir())
            continue
        assert asset.size_bytes == path.stat().st_size
        if asset.duration_ms:
            assert asset.bitrate_bps == round(8000 * asset.size_bytes / asset.duration_ms)
    assert list(dict.fromkeys(plain.stages)) == ["download", "encode", "package", "store"]


# Every way a picture may lie


@pytest.mark.parametrize(
    "turned",
    [
        ("-display_rotation", "90"),
        ("-display_rotation", "180"),
        ("-display_rotation", "270"),
        ("-display_hflip",),
        ("-display_vflip",),
        ("-display_rotation", "90", "-display_hflip"),
        ("-display_rotation", "270", "-display_hflip"),
    ],
    ids=lambda turned: " ".join(turned).replace("-display_", ""),
)
async def test_a_turned_or_mirrored_clip_comes_out_upright(turned: tuple[str, ...], tmp_path: Path) -> None:
    upright = make_clip(tmp_path / "upright.mp4", seconds=0.2)
    clip, seen_by_ffmpeg = tmp_path / "turned.mp4", tmp_path / "seen.mp4"
    ffmpeg(*turned, "-i", upright, "-c", "copy", clip)
    ffmpeg("-i", clip, "-an", *H264, *BT709, seen_by_ffmpeg)
    expected = watch(seen_by_ffmpeg)
    made = await transcode(clip, tmp_path)
    video = watch(made.top)
    assert video.size == expected.size
    assert far_apart(corners(video.pictures[0]), corners(expected.pictures[0])) < NEAR
    assert made.source.shown_size == expected.size


async def test_a_portrait_clip_keeps_its_short_edge_at_the_rung(tmp_path: Path) -> None:
    made = await transcode(make_clip(tmp_path / "portrait.mp4", (540, 960), seconds=0.2), tmp_path)
    assert [watch(made.file(kind)).size for kind in ("MP4_720", "MP4_480", "MP4_240")] == [
        (540, 960),
        (480, 854),
        (240, 426),
    ]
    assert far_apart(corners(watch(made.file("MP4_240")).pictures[0]), CORNERS) < NEAR


async def test_anamorphic_pixels_become_square(tmp_path: Path) -> None:
    clip = tmp_path / "anamorphic.mp4"
    ffmpeg(*marked((360, 288), seconds=0.2), "-vf", "setsar=16/15", *H264, *BT709, clip)
    video = watch((await transcode(clip, tmp_path)).top)
    assert video.size == (384, 288)
    assert far_apart(corners(video.pictures[0]), CORNERS) < NEAR


@pytest.mark.parametrize(
    ("size", "expected"), [((321, 181), (320, 180)), ((2, 2), (2, 2)), ((16, 640), (16, 640)), ((90, 50), (90, 50))]
)
async def test_odd_tiny_and_narrow_sizes_work(size: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    encoder = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    ffmpeg(*marked(size, seconds=0.2), *encoder, *BT709, clip)
    made = await transcode(clip, tmp_path)
    assert made.kinds == ["MP4_720", "HLS", "THUMB", "PREVIEW"]
    assert watch(made.top).size == expected


# Colour


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv422p", "yuv422p10le"])
async def test_deeper_and_finer_pixels_become_eight_bit_420(pixel_format: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg(*marked((320, 180), seconds=0.2), *H264[:-1], pixel_format, *BT709, clip)
    video = watch((await transcode(clip, tmp_path)).top)
    assert video.stream["pix_fmt"] == "yuv420p"
    assert far_apart(corners(video.pictures[0]), CORNERS) < NEAR


async def test_full_range_bt601_becomes_limited_bt709(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    tags = ("-colorspace", "smpte170m", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "pc")
    convert = "scale=in_color_matrix=bt709:out_color_matrix=smpte170m:in_range=tv:out_range=pc,format=yuv420p"
    ffmpeg(*marked((320, 180), seconds=0.2), "-vf", convert, *H264, *tags, clip)
    video = watch((await transcode(clip, tmp_path)).top)
    assert [video.stream[name] for name in ("matrix", "range")] == [1, 1]
    assert far_apart(corners(video.pictures[0]), CORNERS) < NEAR


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"], ids=["PQ", "HLG"])
async def test_hdr_becomes_sdr_with_its_hues_and_brightness(transfer: str, tmp_path: Path) -> None:
    clip = tmp_path / "hdr.mp4"
    # The marks at the brightness that BT.2408 gives to graphics: white at 203 cd/m².
    convert = (
        "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709,"
        "zscale=transfer=linear,format=gbrpf32le,"
        f"zscale=primaries=2020:transfer={transfer}:matrix=2020_ncl:range=limited:npl=203,format=yuv420p10le"
    )
    tags = ("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", transfer)
    encoder = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "14", "-x265-params", "log-level=none")
    ffmpeg(*marked((320, 180), seconds=0.2), "-vf", convert, *encoder, *tags, "-tag:v", "hvc1", clip)
    video = watch((await transcode(clip, tmp_path)).top)
    assert [video.stream[tag] for tag in ("primaries", "transfer", "matrix", "range")] == [1, 1, 1, 1]
    assert far_apart(corners(video.pictures[0]), CORNERS) < NEAR


# Time


@pytest.mark.parametrize(
    ("rate", "expected"), [("24000/1001", 23.976), ("25", 25), ("50", 50), ("120", 60), ("240", 60), ("10", 10)]
)
async def test_frame_rates_up_to_sixty_stay_and_higher_ones_are_divided(
    rate: str, expected: float, tmp_path: Path
) -> None:
    video = watch((await transcode(make_clip(tmp_path / "clip.mp4", rate=rate), tmp_path)).top)
    assert video.frame_rate == pytest.approx(expected, abs=0.01)
    assert video.seconds == pytest.approx(1.0, abs=1.1 / expected)


async def test_a_variable_frame_rate_does_not_drift(tmp_path: Path) -> None:
    clip = tmp_path / "vfr.mp4"
    # 30 frames a second, of which every third is missing in the first second and two of three in the last.
    drop = "select='if(lt(t,1),mod(n+1,3),not(mod(n,3)))'"
    flash = "drawbox=c=white:t=fill:enable='between(t,1.5,1.6)'"
    ffmpeg(*marked((320, 180), seconds=2), "-vf", f"{flash},{drop}", "-fps_mode", "vfr", *H264, *BT709, clip)
    made = await transcode(clip, tmp_path)
    video = watch(made.top)
    steps = {round(later - earlier, 3) for earlier, later in itertools.pairwise(video.times)}
    bright = [time for time, picture in zip(video.times, video.pictures, strict=True) if picture.mean() > 220]
    assert not made.source.constant_rate
    assert len(steps) == 1
    assert video.seconds == pytest.approx(made.source.duration_ms / 1000, abs=0.04)
    assert bright[0] == pytest.approx(1.5, abs=0.04)


async def test_a_clip_of_a_moment_has_all_outputs(tmp_path: Path) -> None:
    made = await transcode(make_clip(tmp_path / "short.mp4", seconds=0.1), tmp_path)
    master = m3u8.load(str(made.file("HLS")))
    media = m3u8.load(str(made.file("HLS").parent / master.playlists[0].uri))
    assert made.kinds == ["MP4_720", "HLS", "THUMB", "PREVIEW"]
    assert sum(segment.duration for segment in media.segments) == pytest.approx(0.1, abs=0.001)
    assert media.target_duration == 1


async def test_a_single_frame_is_a_clip_too(tmp_path: Path) -> None:
    clip = tmp_path / "still.mp4"
    ffmpeg(*marked((320, 180), seconds=0.04, rate="25"), "-frames:v", "1", *H264, *BT709, clip)
    made = await transcode(clip, tmp_path)
    assert len(watch(made.top).pictures) == 1


async def test_an_edit_list_decides_where_a_clip_begins(tmp_path: Path) -> None:
    long, clip = tmp_path / "long.mp4", tmp_path / "cut.mp4"
    make_clip(long, seconds=3)
    ffmpeg("-ss", "1.5", "-i", long, "-c", "copy", clip)
    seen = tmp_path / "seen.mp4"
    ffmpeg("-i", clip, *H264, *BT709, seen)
    made = await transcode(clip, tmp_path)
    video, expected = watch(made.top), watch(seen)
    assert len(video.pictures) == pytest.approx(len(expected.pictures), abs=1)
    assert float(np.abs(video.pictures[0].astype(int) - expected.pictures[0].astype(int)).mean()) < 4


# Sound


def beeps(path: Path) -> list[float]:
    """When the sound begins after silence, seconds."""
    samples, rate, _ = listen(path)
    window = rate // 200
    loud = np.array([np.abs(samples[i : i + window]).max() > 0.1 for i in range(0, len(samples) - window, window)])
    return [float(i * window / rate) for i in np.flatnonzero(loud[1:] & ~loud[:-1]) + 1]


@pytest.mark.parametrize("late", ["audio", "video"])
async def test_flash_and_beep_stay_together_when_a_track_begins_late(late: str, tmp_path: Path) -> None:
    clip = tmp_path / "late.mp4"
    flash = "drawbox=c=white:t=fill:enable='between(t,1.0,1.2)'"
    beep = "volume='between(t,1.0,1.2)':eval=frame"
    both = tmp_path / "both.mp4"
    ffmpeg(
        *marked((320, 180), seconds=2), *tone(seconds=2), "-vf", flash, "-af", beep, *H264, *BT709, "-g", "3",
        "-bf", "0", "-c:a", "aac", both,
    )  # fmt: skip
    # The late track lacks its first 0.4 s; where it begins says an empty edit.
    cut, whole = ("a", "v") if late == "audio" else ("v", "a")
    ffmpeg(
        "-i", both, "-itsoffset", "0.4", "-ss", "0.4", "-i", both, "-map", f"0:{whole}", "-map", f"1:{cut}",
        "-c", "copy", clip,
    )  # fmt: skip
    made = await transcode(clip, tmp_path)
    video = watch(made.top)
    bright = [time for time, picture in zip(video.times, video.pictures, strict=True) if picture.mean() > 220]
    heard = [time for time in beeps(made.top) if time > 0.3]
    assert heard
    assert bright[0] == pytest.approx(heard[0], abs=0.06)
    assert video.times[0] == 0


async def test_a_clip_without_sound_stays_without(tmp_path: Path) -> None:
    clip = tmp_path / "silent.mp4"
    ffmpeg(*marked((320, 180), seconds=0.5), *H264, *BT709, clip)
    made = await transcode(clip, tmp_path)
    master = m3u8.load(str(made.file("HLS")))
    assert watch(made.top).stream["streams"] == ["video"]
    assert "mp4a" not in master.playlists[0].stream_info.codecs


@pytest.mark.parametrize(("layout", "expected"), [("mono", 1), ("5.1", 2)])
async def test_mono_stays_mono_and_surround_becomes_stereo(layout: str, expected: int, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    sources = (*marked((320, 180), seconds=0.5), *tone(seconds=0.5, channels=layout, rate=22_050))
    ffmpeg(*sources, *H264, *BT709, "-c:a", "aac", clip)
    samples, rate, channels = listen((await transcode(clip, tmp_path)).top)
    assert (rate, channels) == (48_000, expected)
    assert np.abs(samples).max() > 0.05


@pytest.mark.parametrize("encoder", ["libmp3lame", "pcm_s16le", "alac", "ac3"])
async def test_sound_of_other_codecs_is_heard_too(encoder: str, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mov"
    ffmpeg(*marked((64, 64), seconds=0.5), *tone(seconds=0.5), *H264, *BT709, "-c:a", encoder, clip)
    samples, _, _ = listen((await transcode(clip, tmp_path)).top)
    assert np.abs(samples).max() > 0.05


async def test_sound_that_outlasts_the_picture_is_cut_with_it(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    ffmpeg(*marked((320, 180), seconds=0.5), *tone(seconds=2), *H264, *BT709, "-c:a", "aac", clip)
    made = await transcode(clip, tmp_path)
    samples, rate, _ = listen(made.top)
    assert made.source.duration_ms == 500
    assert len(samples) / rate == pytest.approx(0.5, abs=0.06)


# Weight


async def test_the_hardest_picture_stays_below_the_ceilings(tmp_path: Path) -> None:
    clip = tmp_path / "noise.mp4"
    noise = "testsrc2=s=1280x720:r=30:d=2,noise=alls=60:allf=t,format=yuv420p"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "24", *BT709, clip)
    made = await transcode(clip, tmp_path)
    rates = {asset.kind: asset.bitrate_bps for asset in made.outputs.assets}
    # Two per cent for the boxes of the container.
    assert rates["MP4_720"] <= 2_500_000 * 1.02
    assert rates["MP4_480"] <= 1_000_000 * 1.02
    assert rates["MP4_240"] <= 400_000 * 1.02


# What else a file may hold


async def test_tracks_that_nobody_asked_for_do_no_harm(tmp_path: Path) -> None:
    clip, cover, words, all_of_it = (tmp_path / name for name in ("clip.mp4", "cover.png", "words.srt", "all.mp4"))
    make_clip(clip, seconds=0.5)
    ffmpeg(*marked((600, 600)), "-frames:v", "1", cover)
    words.write_text("1\n00:00:00,000 --> 00:00:00,400\nHello\n")
    ffmpeg(
        "-i", cover, "-i", clip, "-i", words, *tone(seconds=0.5, channels="mono"),
        "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-c", "copy", "-c:s", "mov_text", "-c:a:1", "aac",
        "-timecode", "01:00:00:00", "-disposition:v:0", "attached_pic", "-disposition:a:1", "0", all_of_it,
    )  # fmt: skip
    made = await transcode(all_of_it, tmp_path)
    video = watch(made.top)
    assert (video.size, video.stream["streams"]) == ((320, 180), ["video", "audio"])
    assert far_apart(corners(video.pictures[0]), CORNERS) < NEAR
    assert listen(made.top)[2] == 2


# What goes wrong


async def test_a_clip_whose_frames_cannot_be_decoded_is_corrupt(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    data = bytearray(clip.read_bytes())
    first, end = data.index(b"mdat") + 30_000, data.index(b"moov")
    data[first:end] = bytes(end - first)
    clip.write_bytes(data)
    with pytest.raises(Rejected) as rejected:
        await transcode(clip, tmp_path)
    assert rejected.value.code == "CORRUPT"


async def test_a_converter_that_makes_no_frame_is_ended(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", (1280, 720), seconds=3)
    with pytest.raises(Fault, match="no frame for") as fault:
        await transcode(clip, tmp_path, stall_seconds=0.001)
    assert (fault.value.code, fault.value.transient) == ("TRANSCODE_TIMEOUT", True)


async def test_a_cancelled_transcode_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", (1280, 720), seconds=3)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    objects = MemoryObjects({"original": clip.read_bytes()})
    encoding = asyncio.Event()
    transcoder = FfmpegTranscoder(FFMPEG, objects, workspace, threads=1, memory_bytes=4 * 1024**3)
    task = Task(new_id(), "original", "run/", A_SOURCE)
    working = asyncio.create_task(
        transcoder.transcode(task, lambda stage, fraction: encoding.set() if stage == "encode" else None)
    )
    await asyncio.wait_for(encoding.wait(), 20)
    working.cancel()
    await asyncio.wait([working])
    assert _running_in(workspace) == []
    assert list(workspace.iterdir()) == []


def _running_in(directory: Path) -> list[Path]:
    return [path for path in Path("/proc").glob("[0-9]*/cwd") if str(directory) in _target(path)]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
