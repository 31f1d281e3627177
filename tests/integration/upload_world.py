"""Upload on real tables with S3 and the catalog in memory, and what it takes to let a process die at any step."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
from google.protobuf.message import Message
from scratch import Scratch

from chassis.clock import new_id
from chassis.consumer import apply_once
from chassis.events import describe
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from nextplay.analytics.v1 import analytics_events_pb2
from nextplay.upload.v1 import upload_events_pb2
from services.upload.consumers import handlers
from services.upload.domain.announcement import Announcement
from services.upload.domain.parts import SUGGESTED_PART_BYTES, NamedPart, PartToSign
from services.upload.domain.upload import Status, Upload
from services.upload.fakes import MemoryCatalog, MemoryObjects
from services.upload.ports import Begin, Catalog, Objects, Tx
from services.upload.repository import Repository, upload_of
from services.upload.usecases.completion import Answer, complete_upload, finish_completing
from services.upload.usecases.ending import abort_upload
from services.upload.usecases.initiate import Initiate, Limits, initiate_upload
from services.upload.usecases.purging import claim_purges, purge
from services.upload.usecases.signing import presign_parts

MIB = 1024 * 1024
FILE_BYTES = 25 * MIB
WEEK = timedelta(days=7)
LAST_UPLOAD_ENDS = timedelta(minutes=70)
LIMITS = Limits(initiates=10, window=timedelta(hours=1), lifetime=timedelta(hours=1))

MakeScratch: TypeAlias = Callable[[Traversable], Awaitable[Scratch]]
P = TypeVar("P")

_EVENTS = {
    f"{module.DESCRIPTOR.package}.{name}": getattr(module, name)
    for module in (upload_events_pb2, analytics_events_pb2)
    for name in module.DESCRIPTOR.message_types_by_name
}


def announcement(**changes: Any) -> Announcement:
    told = Announcement("Goal", "", "sports", "public", "goal.mp4", "video/mp4", FILE_BYTES, None, None)
    return dataclasses.replace(told, **changes)


@dataclass
class World:
    """Everything around the use cases; `begin`, `objects` and `catalog` may be replaced by ports that fail."""

    pool: Pool
    begin: Begin
    objects: Objects
    catalog: Catalog

    @property
    def memory(self) -> MemoryObjects:
        return cast(MemoryObjects, self.objects)

    @property
    def told(self) -> MemoryCatalog:
        return cast(MemoryCatalog, self.catalog)

    async def initiate(
        self, user_id: UUID | None = None, *, upload_id: UUID | None = None, limits: Limits = LIMITS, **changes: Any
    ) -> Upload:
        file = announcement(**changes)
        command = Initiate(user_id or new_id(), "free", upload_id or new_id(), file.video_id or new_id(), file)
        return await initiate_upload(self.begin, self.objects, self.catalog, limits, command, _keep_nothing)

    async def send(self, upload: Upload, *numbers: int) -> None:
        """Sign parts of 10 MiB (all, or those of these numbers) and let them arrive."""
        count = -(-upload.file_size_bytes // SUGGESTED_PART_BYTES)
        for number in numbers or range(1, count + 1):
            length = min(SUGGESTED_PART_BYTES, upload.file_size_bytes - (number - 1) * SUGGESTED_PART_BYTES)
            part = PartToSign(number, length, None)
            await presign_parts(self.begin, self.objects, upload.user_id, upload.upload_id, [part])
            self.memory.hold(upload.s3_upload_id, number, length)

    async def sent(self, **changes: Any) -> Upload:
        """A new upload whose parts have all arrived."""
        upload = await self.initiate(**changes)
        await self.send(upload)
        return upload

    async def complete(self, upload: Upload, client: Sequence[NamedPart] | None = None) -> Answer:
        return await complete_upload(
            self.begin, self.objects, self.catalog, WEEK, upload.user_id, upload.upload_id, client
        )

    async def abort(self, upload: Upload) -> None:
        await abort_upload(self.begin, self.objects, self.catalog, upload.user_id, upload.upload_id)

    async def run_finishing_job(self, *, after_seconds: float = 0) -> int:
        return await finish_completing(self.begin, self.objects, WEEK, after_seconds)

    async def purge_all(self) -> None:
        """Do all purges that are due."""
        while due := await claim_purges(self.begin, "test"):
            for claimed in due:
                await purge(self.begin, self.objects, claimed)

    async def apply(self, *events: Message) -> None:
        """Deliver events of other contexts, each as a new one."""
        react = handlers(WEEK, LAST_UPLOAD_ENDS)
        for event in events:
            await apply_once(self.begin, "upload", describe(event), event, react[type(event)])

    async def read(self, upload: Upload) -> Upload:
        """The upload as it is now."""
        query = "SELECT *, now() AS read_at FROM uploads WHERE upload_id = $1"
        row = await self.pool.fetchrow(query, upload.upload_id)
        assert row is not None
        return upload_of(row)

    async def status(self, upload: Upload) -> Status:
        return (await self.read(upload)).status

    async def parts(self, upload: Upload) -> list[asyncpg.Record]:
        query = (
            "SELECT part_number, etag, is_uploaded, content_length FROM upload_parts WHERE upload_id = $1 ORDER BY 1"
        )
        return await self.pool.fetch(query, upload.upload_id)

    async def purges(self) -> list[tuple[str, str]]:
        """Prefix and reason of the open purges."""
        return [tuple(row) for row in await self.pool.fetch("SELECT prefix, reason FROM purges ORDER BY created_at")]

    async def age(self, upload: Upload, **by: float) -> None:
        """Let time pass for an upload: `age(upload, minutes=61)`."""
        await self.pool.execute(
            """
            UPDATE uploads SET created_at = created_at - $2::interval, expires_at = expires_at - $2::interval,
                completing_at = completing_at - $2::interval, original_expires_at = original_expires_at - $2::interval
            WHERE upload_id = $1
            """,
            upload.upload_id,
            timedelta(**by),
        )

    async def events(self, upload: Upload) -> list[Message]:
        """What waits in the outbox about the upload's video, in order, analytics included."""
        rows = await self.pool.fetch("SELECT headers, data FROM outbox ORDER BY id")
        events = [_EVENTS[row["headers"]["ce_type"]].FromString(row["data"]) for row in rows]
        return [event for event in events if event.upload_id == str(upload.upload_id)]

    async def names(self, upload: Upload) -> list[str]:
        """The names of those events, without those for analysts."""
        names = [event.DESCRIPTOR.full_name.removeprefix("nextplay.") for event in await self.events(upload)]
        return [name for name in names if not name.startswith("analytics")]

    async def steps(self, upload: Upload) -> list[str]:
        """The names of the steps that analysts are told of."""
        events = await self.events(upload)
        return [event.DESCRIPTOR.name for event in events if event.DESCRIPTOR.file.package == "nextplay.analytics.v1"]


async def _keep_nothing(tx: Tx, upload: Upload) -> None:
    """No Idempotency-Key, so no reply to keep."""


@asynccontextmanager
async def open_world(make_scratch: MakeScratch) -> AsyncIterator[World]:
    scratch = await make_scratch(resources.files("services.upload.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
        yield World(pool, transactions(pool, Repository, lambda: None), MemoryObjects(), MemoryCatalog())


class Crash(BaseException):
    """The process dies here. No `except Exception` sees it, as none sees a SIGKILL."""


@dataclass
class Fuse:
    """Kills at the `at`-th step; whatever is tried afterwards is tried by a dead process and has no effect."""

    at: int | None = None
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.steps.append(name)
        if self.at is not None and len(self.steps) >= self.at:
            raise Crash(f"at step {self.at}, {name}")


def fused(world: World, fuse: Fuse) -> World:
    """The same world, in which every call of a port is two steps, and every transaction three."""

    @asynccontextmanager
    async def begin() -> AsyncIterator[Tx]:
        fuse.step("before a transaction")
        async with world.begin() as tx:
            yield tx
            fuse.step("before a commit")
        fuse.step("after a commit")

    return World(world.pool, begin, wrapped(world.objects, fuse), wrapped(world.catalog, fuse))


def wrapped(port: P, fuse: Fuse) -> P:
    """The port, of which every call is two steps."""

    class Wrapped:
        def __getattr__(self, name: str) -> Any:
            method = getattr(port, name)

            async def call(*args: Any, **named: Any) -> Any:
                fuse.step(f"before {name}")
                result = await method(*args, **named)
                fuse.step(f"after {name}")
                return result

            return call

    return cast(P, Wrapped())
