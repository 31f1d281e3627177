"""What an encode may take of time and disk, and how it ends beyond that."""

import errno
from pathlib import Path
from typing import NamedTuple

import pytest

from chassis.clock import new_id
from chassis.object_store import ObjectStore
from services.media.domain.outcomes import Fault
from services.media.fakes import A_SOURCE, MemoryObjects
from services.media.ports import Task
from services.media.transcoders.ffmpeg import FfmpegTranscoder, commands, process
from services.media.transcoders.ffmpeg.process import Bounds, run_ffmpeg
from tests.corpus.clip import FFMPEG

ENDLESS = [
    *(str(FFMPEG), "-hide_banner", "-loglevel", "error", "-progress", "pipe:1", "-stats_period", "0.1"),
    *("-f", "lavfi", "-i", "testsrc2=s=64x64", "-f", "null", "-"),
]
GB = 1024**3


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def left_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


async def fault_of_a_transcode(objects: MemoryObjects, directory: Path) -> Fault:
    transcoder = FfmpegTranscoder(FFMPEG, objects, directory, threads=1, memory_bytes=4 * GB)
    with pytest.raises(Fault) as fault:
        await transcoder.transcode(Task(new_id(), "original", "run/", A_SOURCE), lambda stage, fraction: None)
    return fault.value


async def test_an_encode_that_takes_longer_than_its_pixels_explain_is_ended(tmp_path: Path) -> None:
    frames: list[int] = []
    with pytest.raises(Fault, match="took longer than 1 s") as fault:
        await run_ffmpeg(ENDLESS, tmp_path, Bounds(1.0, 30.0, 4 * GB), frames.append)
    assert (fault.value.code, fault.value.transient) == ("TRANSCODE_TIMEOUT", True)
    assert frames == sorted(set(frames)), "every progress is a new frame"


async def test_a_converter_is_ended_whose_files_cannot_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path) -> int:
        monkeypatch.undo()
        raise OSError(errno.ENAMETOOLONG, "File name too long")

    monkeypatch.setattr(process, "used_bytes", refuse)
    with pytest.raises(Fault, match="ended by SIGKILL") as fault:
        await run_ffmpeg(ENDLESS, tmp_path, Bounds(20.0, 20.0, 4 * GB))
    assert fault.value.transient


async def test_an_encode_is_not_begun_where_its_files_would_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage(GB, GB, 1000))
    objects = MemoryObjects({"original": b"clip"})
    fault = await fault_of_a_transcode(objects, tmp_path)
    assert (fault.code, fault.transient) == ("DISK_FULL", True)
    assert left_in(tmp_path) == []


async def test_a_disk_that_is_full_while_an_original_is_fetched_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "INPUT", "/dev/full")
    fault = await fault_of_a_transcode(MemoryObjects({"original": b"clip"}), tmp_path)
    assert (fault.code, fault.transient) == ("DISK_FULL", True)


async def test_our_full_disk_is_not_mistaken_for_an_object_store_that_is_away(
    object_store: ObjectStore, prefix: str
) -> None:
    await object_store.put(f"{prefix}original", b"clip", content_type="video/mp4")
    with pytest.raises(OSError, match="No space left") as full:
        await object_store.download(f"{prefix}original", Path("/dev/full"))
    assert full.value.errno == errno.ENOSPC


async def test_a_disk_that_is_full_while_outputs_are_written_is_named(tmp_path: Path) -> None:
    complaining = [str(FFMPEG), "-hide_banner", "-loglevel", "error", "-i", "No space left on device"]
    with pytest.raises(Fault) as fault:
        await run_ffmpeg(complaining, tmp_path, Bounds(30.0, 30.0, 4 * GB))
    assert (fault.value.code, fault.value.transient) == ("DISK_FULL", True)
