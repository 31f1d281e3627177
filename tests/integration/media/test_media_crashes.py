"""A worker that dies before or after any of its steps: the job still ends once, and nothing is left over.

Every step with an effect goes through a port. The ports are wrapped so that the n-th step, or what follows it, never
happens; then the worker is started anew, until there is no n-th step any more.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
from media_jobs import LEASE_SECONDS, Clip, apply, fake_tools, job_of, let_leases_end, stored, told

from chassis.clock import new_id
from chassis.postgres import Pool
from chassis.transaction import transactions
from services.media.domain.outcomes import Fault, Rejected, corrupt
from services.media.fakes import FakeProber, FakeTranscoder, MemoryObjects
from services.media.ports import Begin, Tx
from services.media.repository import Repository
from services.media.usecases import outputs, runs
from services.media.usecases.transcode import Tools, tidy_up, transcode

T = TypeVar("T")


class Crash(BaseException):
    """The process is gone: no `except Exception` of the product sees it."""


class Crashing:
    """Counts the steps, and crashes at one of them: odd numbers before a step, even ones after it."""

    def __init__(self, at: int) -> None:
        self.at, self.steps = at, 0

    def reach(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Crash

    async def around(self, step: Awaitable[T]) -> T:
        try:
            self.reach()
        except Crash:
            step.close()  # type: ignore[attr-defined]
            raise
        result = await step
        self.reach()
        return result

    def begin(self, begin: Begin) -> Begin:
        """Crashes before a transaction, before its commit and after it."""

        @asynccontextmanager
        async def crashing() -> AsyncIterator[Tx]:
            self.reach()
            async with begin() as tx:
                yield tx
                self.reach()
            self.reach()

        return crashing


class CrashingObjects(MemoryObjects):
    """Shares its objects with the store that survives."""

    def __init__(self, stored: dict[str, bytes], crashing: Crashing) -> None:
        super().__init__(stored)
        self._crashing = crashing

    async def get_range(self, key: str, start: int, length: int) -> bytes:
        return await self._crashing.around(super().get_range(key, start, length))

    async def put_file(self, key: str, path: Path, *, content_type: str, cache_control: str = "") -> None:
        await self._crashing.around(super().put_file(key, path, content_type=content_type))

    async def delete_prefix(self, prefix: str) -> int:
        return await self._crashing.around(super().delete_prefix(prefix))


def tools_of(begin: Begin, objects: MemoryObjects, ending: Rejected | Fault | None) -> Tools:
    ports: dict[str, Any] = {
        "objects": objects,
        "prober": FakeProber(objects),
        "transcoder": FakeTranscoder(objects, ending),
    }
    return fake_tools(begin, **ports)


async def work_off(tools: Tools) -> None:
    """What a worker does with what is due, without the heartbeat: it dies as a whole."""
    while found := await runs.claim_run(tools.begin, "tester", LEASE_SECONDS, new_id):
        await transcode(tools, found[0])
        await tidy_up(tools, found[0])


async def crash_at(step: int, pool: Pool, ending: Rejected | Fault | None) -> tuple[bool, Clip, dict[str, bytes]]:
    """Crash a worker at the step and let a second one settle; whether there was such a step, and what is left."""
    begin, clip, crashing = transactions(pool, Repository, lambda: None), Clip(), Crashing(step)
    objects = CrashingObjects({clip.key: b"original"}, crashing)
    await apply(begin, clip.uploaded())
    crashed = False
    try:
        await work_off(tools_of(crashing.begin(begin), objects, ending))
    except Crash:
        crashed = True
    survivor = tools_of(begin, MemoryObjects(objects.stored), ending)
    for _ in range(5):
        await let_leases_end(pool)
        await work_off(survivor)
    await outputs.sweep(begin, survivor.objects, ended_seconds_ago=0)
    return crashed, clip, stored(survivor)


async def test_wherever_a_worker_dies_a_clip_is_completed_once(pool: Pool) -> None:
    step, crashed = 0, True
    while crashed:
        step += 1
        crashed, clip, left = await crash_at(step, pool, None)
        events = await told(pool, clip)
        completed = [event for event in events if event.DESCRIPTOR.name == "TranscodeCompleted"]
        job = await job_of(pool, clip)
        assert [len(completed), job["status"]] == [1, "COMPLETED"], f"crashed at step {step}"
        assert events[-1] == completed[0]
        assert {key for key in left if key != clip.key} == {asset.s3_key for asset in completed[0].assets}
        assert clip.key in left
    assert step > 25


@pytest.mark.parametrize(
    ("ending", "event", "status"),
    [
        (corrupt("it can't be decoded"), "VideoRejected", "REJECTED"),
        (Fault("TRANSCODER_ERROR", "It can't be converted.", transient=False), "TranscodeFailed", "FAILED"),
        (Fault("STORAGE_ERROR", "It can't be stored.", transient=True), "TranscodeFailed", "FAILED"),
    ],
    ids=["rejected", "failed for good", "failed in the end"],
)
async def test_wherever_a_worker_dies_a_bad_end_is_told_once_and_leaves_nothing(
    pool: Pool, ending: Rejected | Fault, event: str, status: str
) -> None:
    step, crashed = 0, True
    while crashed:
        step += 1
        crashed, clip, left = await crash_at(step, pool, ending)
        names = [fact.DESCRIPTOR.name for fact in await told(pool, clip)]
        job = await job_of(pool, clip)
        assert (names.count(event), names[-1], job["status"]) == (1, event, status), f"crashed at step {step}"
        assert "TranscodeCompleted" not in names
        assert list(left) == [clip.key]
    assert step > 20


async def test_wherever_a_purge_dies_the_outputs_are_gone_in_the_end(pool: Pool) -> None:
    begin, step, crashed = transactions(pool, Repository, lambda: None), 0, True
    while crashed:
        step += 1
        clip, crashing, crashed = Clip(), Crashing(step), False
        objects = CrashingObjects({f"{clip.outputs}run/thumbnail.jpg": b"x"}, crashing)
        await apply(begin, clip.deleted())
        try:
            for purge in await outputs.claim_purges(crashing.begin(begin), "tester"):
                await outputs.purge(crashing.begin(begin), objects, purge)
        except Crash:
            crashed = True
        survivor = MemoryObjects(objects.stored)
        for _ in range(2):
            await pool.execute("UPDATE deleted_videos SET next_at = now(), lease_until = NULL")
            for purge in await outputs.claim_purges(begin, "tester"):
                await outputs.purge(begin, survivor, purge)
        assert survivor.stored == {}
    assert await pool.fetchval("SELECT count(*) FROM deleted_videos WHERE purged_at IS NULL") == 0
    assert step > 5
