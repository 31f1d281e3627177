"""The child that is started ahead and waits for the next clip: whom it serves, and when it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from media_clips import make_clip

from services.media.domain.source import Source
from services.media.fakes import MemoryObjects
from services.media.probe import SandboxedProber
from services.media.sandbox import Confined


@dataclass(frozen=True)
class Ready:
    """A prober of which a task keeps a child ready, and the one original that it measures."""

    prober: SandboxedProber
    keeping: asyncio.Task[None]
    size_bytes: int
    others: list[psutil.Process]

    async def measured(self) -> Source:
        return await self.prober.probe("original", self.size_bytes)

    def children(self) -> int:
        """How many there are, with those that ended and were not reaped."""
        return sum(child not in self.others for child in psutil.Process().children())

    def is_at_rest(self) -> bool:
        return not self.children() and self.prober.ahead.empty() and not list(self.prober.directory.iterdir())


@asynccontextmanager
async def kept_ready(directory: Path) -> AsyncIterator[Ready]:
    """At the end of the block the prober is stopped, and has left neither process nor directory."""
    clip = make_clip(directory / "clip.mp4", seconds=0.5).read_bytes()
    workspace = directory / "workspace"
    workspace.mkdir()
    others = psutil.Process().children()
    prober = SandboxedProber(MemoryObjects({"original": clip}), workspace)
    ready = Ready(prober, asyncio.create_task(prober.keep_ready()), len(clip), others)
    try:
        await until(lambda: not prober.ahead.empty())
        yield ready
    finally:
        ready.keeping.cancel()
        await asyncio.wait([ready.keeping])
    assert ready.is_at_rest()


async def test_a_child_that_was_started_ahead_measures_the_next_file_and_no_other(tmp_path: Path) -> None:
    async with kept_ready(tmp_path) as ready:
        first, second = await ready.measured(), await ready.measured()
    assert first == second
    assert first.duration_ms == 500


async def test_a_child_that_was_started_ahead_is_replaced_when_it_died(tmp_path: Path) -> None:
    async with kept_ready(tmp_path) as ready:
        child = ready.prober.ahead.get_nowait()
        await child.program.kill()
        ready.prober.ahead.put_nowait(child)
        assert (await ready.measured()).duration_ms == 500


async def test_a_child_for_which_no_clip_came_is_ended_and_after_the_next_clip_one_waits_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.media.probe.PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("services.media.probe.REST_SECONDS", 0.0)
    async with kept_ready(tmp_path) as ready:
        await until(ready.is_at_rest)
        monkeypatch.setattr("services.media.probe.PATIENCE_SECONDS", 60.0)
        assert (await ready.measured()).duration_ms == 500
        await until(lambda: not ready.prober.ahead.empty())
        assert ready.children() == 1


@dataclass
class Ending:
    """The end of the first child that is ended: has it begun, and may it go on?"""

    begun: asyncio.Event
    goes_on: asyncio.Event


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> Ending:
    """A child waits for half a second; the end of the first one takes as long as the test wants."""
    monkeypatch.setattr("services.media.probe.PATIENCE_SECONDS", 0.5)
    ending, kill = Ending(asyncio.Event(), asyncio.Event()), Confined.kill

    async def kill_slowly(program: Confined) -> None:
        if not ending.begun.is_set():
            ending.begun.set()
            await ending.goes_on.wait()
        await kill(program)

    monkeypatch.setattr(Confined, "kill", kill_slowly)
    return ending


async def test_a_clip_that_comes_while_the_waiting_child_is_being_ended_is_measured_by_another_one(
    ending: Ending, tmp_path: Path
) -> None:
    async with asyncio.timeout(30), kept_ready(tmp_path) as ready:
        await ending.begun.wait()
        assert (await ready.measured()).duration_ms == 500
        assert ready.children() == 1
        ending.goes_on.set()


async def test_a_worker_that_stops_while_the_waiting_child_is_being_ended_stops_after_it(
    ending: Ending, tmp_path: Path
) -> None:
    async with asyncio.timeout(30), kept_ready(tmp_path) as ready:
        await ending.begun.wait()
        ready.keeping.cancel()
        ended, _ = await asyncio.wait([ready.keeping], timeout=0.1)
        assert not ended
        ending.goes_on.set()
        await asyncio.wait([ready.keeping])


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what another task, and the kernel, do
            await asyncio.sleep(0.01)
