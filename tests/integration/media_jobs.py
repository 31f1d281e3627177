"""Media's tables and ports as the tests of its jobs use them."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from google.protobuf.message import Message

from chassis.clock import new_id
from chassis.consumer import apply_once
from chassis.events import describe
from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoRetryRequested
from nextplay.media.v1 import media_events_pb2
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted
from services.media.consumers import HANDLERS
from services.media.domain.job import Run
from services.media.fakes import FakeProber, FakeTranscoder, MemoryObjects, RecordedSignals
from services.media.ports import Begin
from services.media.repository import JOBS
from services.media.usecases.lanes import Lanes
from services.media.usecases.runs import claim_run
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out

LEASE_SECONDS = 30.0


@dataclass(frozen=True)
class Clip:
    """A video of a test, as the events about it name it."""

    video_id: UUID = field(default_factory=new_id)
    user_id: UUID = field(default_factory=new_id)
    upload_id: UUID = field(default_factory=new_id)
    tier: str = "free"

    @property
    def key(self) -> str:
        return f"uploads/{self.user_id}/{self.video_id}/{self.upload_id}/original.mp4"

    @property
    def outputs(self) -> str:
        return f"videos/{self.user_id}/{self.video_id}/"

    def uploaded(self, generation: int = 1) -> UploadCompleted:
        return UploadCompleted(
            **self._names(),
            upload_id=str(self.upload_id),
            generation=generation,
            input_s3_key=self.key,
            size_bytes=1_000_000,
            tier=self.tier,
        )

    def retried(self, generation: int) -> VideoRetryRequested:
        return VideoRetryRequested(
            **self._names(),
            upload_id=str(self.upload_id),
            generation=generation,
            input_s3_key=self.key,
            size_bytes=1_000_000,
            tier=self.tier,
        )

    def deleted(self) -> VideoDeleted:
        return VideoDeleted(**self._names(), generation=1)

    def _names(self) -> dict[str, Any]:
        return {"video_id": str(self.video_id), "user_id": str(self.user_id)}


async def apply(begin: Begin, *events: Message) -> None:
    """Deliver the events, each as a new one."""
    for event in events:
        await apply_once(begin, "media", describe(event), event, HANDLERS[type(event)])


def fake_tools(begin: Begin, *clips: Clip, **ports: Any) -> Tools:
    """Tools whose originals are stored; `ports` replaces some of them."""
    objects = MemoryObjects({clip.key: b"original" for clip in clips})
    fakes: dict[str, Any] = {
        "prober": FakeProber(objects),
        "transcoder": FakeTranscoder(objects),
        "objects": objects,
        "send_signal": RecordedSignals(),
        "lanes": Lanes(1),
    }
    return Tools(begin=begin, bucket="nextplay", **(fakes | ports))


def stored(tools: Tools) -> dict[str, bytes]:
    """What the tools' object store holds."""
    assert isinstance(tools.objects, MemoryObjects)
    return tools.objects.stored


async def claim(begin: Begin) -> Run:
    """The run that comes first; there must be one."""
    (run,) = await claim_run(begin, "tester", LEASE_SECONDS, new_id)
    return run


async def told(pool: Pool, clip: Clip) -> list[Any]:
    """The events about the clip that media emitted, in order."""
    rows = await pool.fetch("SELECT headers, data FROM outbox WHERE key = $1 ORDER BY id", str(clip.video_id))
    return [
        getattr(media_events_pb2, row["headers"]["ce_type"].rpartition(".")[2]).FromString(row["data"]) for row in rows
    ]


async def names_of_told(pool: Pool, clip: Clip) -> list[str]:
    return [event.DESCRIPTOR.name for event in await told(pool, clip)]


async def job_of(pool: Pool, clip: Clip, generation: int = 1) -> asyncpg.Record:
    row = await pool.fetchrow(
        "SELECT * FROM transcode_jobs WHERE video_id = $1 AND generation = $2", clip.video_id, generation
    )
    assert row, "there is no such job"
    return row


async def let_leases_end(pool: Pool) -> None:
    """As if the time of every lease and every backoff had passed."""
    await pool.execute("UPDATE transcode_jobs SET next_at = now(), lease_until = least(lease_until, now())")


async def work_off(pool: Pool, tools: Tools) -> None:
    """Do what a worker does until nothing is left, without waiting for backoffs."""
    while found := await claim_run(tools.begin, "tester", LEASE_SECONDS, new_id):
        await carry_out(pool, JOBS, LEASE_SECONDS, partial(transcode, tools), partial(tidy_up, tools), found[0])
        await let_leases_end(pool)
