"""The promises of media's ports, kept by the real adapters and by the fakes alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from media_clips import make_clip
from pydantic import SecretStr

from chassis.clock import new_id
from chassis.errors import Unavailable
from chassis.object_store import ObjectNotFound, ObjectStore, open_object_store
from chassis.settings import ObjectStoreSettings
from services.media.domain.job import STAGES
from services.media.domain.outcomes import Fault, Rejected, not_a_video
from services.media.domain.source import Source
from services.media.fakes import FakeProber, FakeTranscoder, MemoryObjects
from services.media.ports import Objects, Prober, Task, Transcoder
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from tests.corpus.clip import FFMPEG


class Away(MemoryObjects):
    """An object store that does not answer."""

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        raise Unavailable

    async def download(self, key: str, path: Path) -> None:
        raise Unavailable


class Full(MemoryObjects):
    """An object store that takes nothing more."""

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = "") -> None:
        raise Unavailable


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=0.5).read_bytes()


# Objects


@pytest.fixture(params=["memory", "S3"])
def objects(request: pytest.FixtureRequest) -> Objects:
    if request.param == "memory":
        return MemoryObjects()
    store: ObjectStore = request.getfixturevalue("object_store")
    return store


async def test_an_object_is_read_whole_and_in_part(objects: Objects, prefix: str, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(b"0123456789")
    await objects.put_file(f"{prefix}a", original, content_type="video/mp4")
    await objects.download(f"{prefix}a", copy)
    assert copy.read_bytes() == b"0123456789"
    assert await objects.get_range(f"{prefix}a", 3, 4) == b"3456"
    assert await objects.get_range(f"{prefix}a", 8, 100) == b"89"
    assert await objects.get_range(f"{prefix}a", 10, 5) == b""


async def test_an_object_that_is_not_there_is_told_so(objects: Objects, prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        await objects.get_range(f"{prefix}none", 0, 1)
    with pytest.raises(ObjectNotFound):
        await objects.download(f"{prefix}none", tmp_path / "none")


async def test_a_prefix_is_deleted_and_its_neighbour_stays(objects: Objects, prefix: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for name in ("run/a", "run/deep/b", "running/c"):
        await objects.put_file(prefix + name, file, content_type="video/mp4")
    assert await objects.delete_prefix(f"{prefix}run/") == 2
    assert await objects.delete_prefix(f"{prefix}run/") == 0
    assert await objects.get_range(f"{prefix}running/c", 0, 1) == b"x"


# Prober

MakeProber = Callable[[Objects], Prober]


@pytest.fixture(params=["fake", "sandboxed"])
def make_prober(request: pytest.FixtureRequest, tmp_path: Path) -> MakeProber:
    return FakeProber if request.param == "fake" else lambda objects: SandboxedProber(objects, tmp_path)


async def test_an_original_is_measured(make_prober: MakeProber, clip: bytes) -> None:
    source = await make_prober(MemoryObjects({"original": clip})).probe("original", len(clip))
    assert isinstance(source, Source)
    assert source.duration_ms > 0


async def test_a_missing_original_is_a_permanent_storage_error(make_prober: MakeProber) -> None:
    with pytest.raises(Fault) as fault:
        await make_prober(MemoryObjects()).probe("original", 1000)
    assert (fault.value.code, fault.value.transient, fault.value.original_gone) == ("STORAGE_ERROR", False, True)


async def test_an_original_out_of_reach_is_a_transient_storage_error(make_prober: MakeProber) -> None:
    with pytest.raises(Fault) as fault:
        await make_prober(Away()).probe("original", 1000)
    assert (fault.value.code, fault.value.transient, fault.value.original_gone) == ("STORAGE_ERROR", True, False)


@pytest.mark.parametrize("kind", ["fake", "sandboxed"])
async def test_what_is_not_a_video_is_rejected_by_the_prober(kind: str, tmp_path: Path) -> None:
    objects = MemoryObjects({"original": b"text, and no video"})
    prober: Prober = FakeProber(objects, not_a_video()) if kind == "fake" else SandboxedProber(objects, tmp_path)
    with pytest.raises(Rejected) as rejected:
        await prober.probe("original", 18)
    assert rejected.value.code == "NOT_A_VIDEO"


# Transcoder

MakeTranscoder = Callable[[Any], Transcoder]


@pytest.fixture(params=["fake", "ffmpeg"])
def make_transcoder(request: pytest.FixtureRequest, tmp_path: Path) -> MakeTranscoder:
    def real(objects: Any) -> Transcoder:
        return FfmpegTranscoder(FFMPEG, objects, tmp_path, threads=1, memory_bytes=2 * 1024**3)

    return FakeTranscoder if request.param == "fake" else real


async def task_for(clip: bytes, directory: Path) -> Task:
    source = await SandboxedProber(MemoryObjects({"original": clip}), directory).probe("original", len(clip))
    return Task(new_id(), "original", "videos/a/b/run/", source)


async def test_every_output_is_stored_below_the_prefix(
    make_transcoder: MakeTranscoder, clip: bytes, tmp_path: Path
) -> None:
    objects = MemoryObjects({"original": clip})
    outputs = await make_transcoder(objects).transcode(await task_for(clip, tmp_path), lambda stage, fraction: None)
    assert {"MP4_720", "HLS", "THUMB", "PREVIEW"} <= {asset.kind for asset in outputs.assets}
    assert {asset.s3_key for asset in outputs.assets} <= set(objects.stored)
    assert all(key.startswith("videos/a/b/run/") for key in objects.stored if key != "original")
    assert all(asset.size_bytes > 0 and min(asset.size) > 0 for asset in outputs.assets)


async def test_progress_names_the_stages_in_their_order(
    make_transcoder: MakeTranscoder, clip: bytes, tmp_path: Path
) -> None:
    told: list[tuple[str, float]] = []
    await make_transcoder(MemoryObjects({"original": clip})).transcode(
        await task_for(clip, tmp_path), lambda stage, fraction: told.append((stage, fraction))
    )
    assert list(dict.fromkeys(stage for stage, _ in told)) == list(STAGES)
    assert all(fraction >= 0 for _, fraction in told)


@pytest.mark.parametrize(
    ("objects", "transient"), [(MemoryObjects(), False), (Away(), True)], ids=["missing", "out of reach"]
)
async def test_without_the_original_a_transcode_is_a_storage_error(
    make_transcoder: MakeTranscoder, objects: MemoryObjects, transient: bool, clip: bytes, tmp_path: Path
) -> None:
    with pytest.raises(Fault) as fault:
        await make_transcoder(objects).transcode(await task_for(clip, tmp_path), lambda stage, fraction: None)
    assert (fault.value.code, fault.value.transient) == ("STORAGE_ERROR", transient)
    assert fault.value.original_gone is not transient


async def test_outputs_that_cannot_be_stored_are_a_transient_storage_error(
    make_transcoder: MakeTranscoder, clip: bytes, tmp_path: Path
) -> None:
    with pytest.raises(Fault) as fault:
        await make_transcoder(Full({"original": clip})).transcode(
            await task_for(clip, tmp_path), lambda stage, fraction: None
        )
    assert (fault.value.code, fault.value.transient) == ("STORAGE_ERROR", True)


async def test_a_key_that_the_storage_refuses_is_a_transient_storage_error(
    object_store_settings: ObjectStoreSettings, prefix: str, clip: bytes, tmp_path: Path
) -> None:
    wrong = object_store_settings.model_copy(update={"secret_key": SecretStr("wrong")})
    async with open_object_store(wrong) as refused:
        task = replace(await task_for(clip, tmp_path), input_s3_key=f"{prefix}original")
        for attempt in (
            SandboxedProber(refused, tmp_path).probe(task.input_s3_key, len(clip)),
            FfmpegTranscoder(FFMPEG, refused, tmp_path, threads=1, memory_bytes=2 * 1024**3).transcode(
                task, lambda stage, fraction: None
            ),
        ):
            with pytest.raises(Fault) as fault:
                await attempt
            assert (fault.value.code, fault.value.transient) == ("STORAGE_ERROR", True)
