"""What the ladder makes of real clips, measured in the pixels and samples of the outputs."""

import asyncio
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest
from media_clips import Transcoded, make_clip, transcode

from chassis.clock import new_id
from services.media.domain.outcomes import Fault, Rejected
from services.media.fakes import A_SOURCE, MemoryObjects
from services.media.ports import Task
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from tests.corpus.clip import FFMPEG, ffmpeg
from tests.corpus.hearing import listen
from tests.corpus.hls import check_hls
from tests.corpus.scene import CORNERS, TO_BT709, picture, record, told
from tests.corpus.seeing import corners, far_apart, still, watch

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
        film = watch(plain.file(kind))
        seconds = 3.0 if kind == "PREVIEW" else 7.5
        assert film.size == size
        assert len(film.times) == round(seconds * 30)
        assert film.seconds == pytest.approx(seconds, abs=0.001)
        assert film.rate == pytest.approx(30)
    assert {asset.kind: asset.size for asset in plain.outputs.assets} == {
        **sizes,
        "HLS": (1280, 720),
        "THUMB": (1280, 720),
    }


async def test_every_rendition_is_h264_high_in_bt709(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240", "PREVIEW"):
        film = watch(plain.file(kind))
        assert (film.codec, film.pixel_format, film.tags) == ("h264 High", "yuv420p", (1, 1, 1, 1))


async def test_pictures_keep_place_and_colour_on_every_rung(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240", "PREVIEW"):
        film = watch(plain.file(kind))
        for number in (0, 89):
            assert far_apart(corners(film.picture(number)), CORNERS) < NEAR


async def test_the_thumbnail_is_the_frame_at_one_second_in_the_same_colours(plain: Transcoded) -> None:
    thumbnail, film = still(plain.file("THUMB")), watch(plain.top)
    differences = {number: float(np.abs(thumbnail - film.picture(number)).mean()) for number in range(22, 39)}
    assert film.times[30] == 1.0
    assert far_apart(corners(thumbnail), CORNERS) < NEAR
    assert min(differences, key=differences.__getitem__) == 30


async def test_the_sound_is_kept_and_the_preview_is_silent(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240"):
        heard = listen(plain.file(kind))
        assert (heard.rate, heard.channels) == (48_000, 2)
        assert heard.seconds == pytest.approx(7.5, abs=0.06)
    assert watch(plain.file("PREVIEW")).streams == ["video"]


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
    check_hls(plain.file("HLS"), [(1280, 720), (854, 480), (426, 240)], seconds=7.5, rate=30, audio=True)


async def test_keyframes_are_at_the_same_times_on_every_rung(plain: Transcoded) -> None:
    for kind in ("MP4_720", "MP4_480", "MP4_240"):
        film = watch(plain.file(kind))
        assert [time for time, key in zip(film.times, film.keys, strict=True) if key] == [0.0, 3.0, 6.0]


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


async def test_a_clip_of_a_moment_has_all_outputs(tmp_path: Path) -> None:
    made = await transcode(make_clip(tmp_path / "short.mp4", seconds=0.1), tmp_path)
    master = m3u8.load(str(made.file("HLS")))
    media = m3u8.load(str(made.file("HLS").parent / master.playlists[0].uri))
    assert made.kinds == ["MP4_720", "HLS", "THUMB", "PREVIEW"]
    assert sum(segment.duration for segment in media.segments) == pytest.approx(0.1, abs=0.001)
    assert media.target_duration == 1


async def test_a_single_frame_is_a_clip_too(tmp_path: Path) -> None:
    clip = tmp_path / "still.mp4"
    record(clip, "-frames:v", "1", scene=picture(seconds=0.04, rate="25"), mute=True)
    made = await transcode(clip, tmp_path)
    assert len(watch(made.top).frames) == 1


# Weight


async def test_the_hardest_picture_stays_below_the_ceilings(tmp_path: Path) -> None:
    clip = tmp_path / "noise.mp4"
    noise = f"testsrc2=s=1280x720:r=30:d=2,{TO_BT709},noise=alls=60:allf=t,format=yuv420p,{told()}"
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "24", clip)
    made = await transcode(clip, tmp_path)
    rates = {asset.kind: asset.bitrate_bps for asset in made.outputs.assets}
    # Two per cent for the boxes of the container.
    assert rates["MP4_720"] <= 2_500_000 * 1.02
    assert rates["MP4_480"] <= 1_000_000 * 1.02
    assert rates["MP4_240"] <= 400_000 * 1.02


# What goes wrong


async def test_a_clip_whose_frames_cannot_be_decoded_is_corrupt(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", seconds=2)
    data = bytearray(clip.read_bytes())
    begin, end = data.index(b"mdat"), data.index(b"moov")
    middle = (begin + end) // 2
    data[middle:end] = bytes(end - middle)
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
