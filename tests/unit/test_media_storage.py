"""How a run stores its files."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.media import storage
from services.media.fakes import MemoryObjects

FILES = {"720p.mp4": "video/mp4", "thumbnail.jpg": "image/jpeg"}


@dataclass
class SlowObjects(MemoryObjects):
    """An object store that stores what it was sent when it is let."""

    sent: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    let: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = "") -> None:
        self.sent[key].set()
        await self.let[key].wait()
        await super().put_file(key, path, content_type=content_type)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path in FILES:
        (tmp_path / path).write_bytes(path.encode())
    return tmp_path


async def cut_off(objects: SlowObjects, directory: Path) -> asyncio.Task[None]:
    """A run that is told to end while all its files are on their way."""
    storing = asyncio.create_task(storage.store_files(objects, "", directory, FILES))
    for path in FILES:
        await objects.sent[path].wait()
    storing.cancel()
    return storing


async def test_files_that_are_under_way_when_a_run_ends_are_stored_before_it_is_left(directory: Path) -> None:
    objects = SlowObjects()
    storing = await cut_off(objects, directory)
    objects.let["thumbnail.jpg"].set()
    done, _ = await asyncio.wait({storing}, timeout=0.05)
    assert not done
    assert objects.stored == {"thumbnail.jpg": b"thumbnail.jpg"}
    objects.let["720p.mp4"].set()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert set(objects.stored) == set(FILES)


async def test_a_file_that_does_not_end_holds_up_the_end_of_a_run_for_a_moment_alone(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "END_SECONDS", 0.01)
    objects = SlowObjects()
    storing = await cut_off(objects, directory)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(storing, 5)
    assert objects.stored == {}
