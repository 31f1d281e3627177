"""The catalog's tables as the tests of its videos use them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.clock import new_id, utc_now
from chassis.consumer import apply_once
from chassis.events import describe
from chassis.postgres import Database, Pool
from chassis.transaction import transactions
from nextplay.analytics.v1 import analytics_events_pb2
from nextplay.catalog.v1 import catalog_events_pb2
from nextplay.catalog.v1.video_pb2 import Video as VideoMessage
from nextplay.media.v1 import media_events_pb2 as media
from nextplay.upload.v1 import upload_events_pb2 as upload
from services.catalog.consumers.facts import media_handlers, upload_handlers
from services.catalog.domain.commands import Description, Publication
from services.catalog.domain.timeline import Entry
from services.catalog.domain.video import Video, Visibility
from services.catalog.ports import Begin
from services.catalog.reads.videos import read_timeline
from services.catalog.repository import open_store
from services.catalog.usecases import lifecycle
from services.catalog.usecases.ingest import CONSUMER, Claimant, claim_video
from services.catalog.usecases.publishing import publish_video

HANDLERS = {**upload_handlers(utc_now), **media_handlers(utc_now)}
KINDS = ("MP4_720", "MP4_480", "HLS", "THUMB", "PREVIEW")
OWN_EVENTS = (catalog_events_pb2, analytics_events_pb2)


@dataclass(frozen=True)
class Clip:
    """A video of a test, and what upload and media tell about it."""

    video_id: UUID = field(default_factory=new_id)
    user_id: UUID = field(default_factory=new_id)
    upload_id: UUID = field(default_factory=new_id)

    def _names(self, generation: int) -> dict[str, Any]:
        return {"video_id": str(self.video_id), "user_id": str(self.user_id), "generation": generation}

    def _upload(self, generation: int) -> dict[str, Any]:
        return {**self._names(generation), "upload_id": str(self.upload_id)}

    def _probe(self, duration_ms: int = 15_000) -> media.ProbeFacts:
        return media.ProbeFacts(duration_ms=duration_ms, width=1920, height=1080, fps=30, video_codec="h264")

    def started(self, generation: int = 1) -> upload.UploadStarted:
        return upload.UploadStarted(**self._upload(generation), size_bytes=1000)

    def completed(self, generation: int = 1) -> upload.UploadCompleted:
        event = upload.UploadCompleted(
            **self._upload(generation),
            input_s3_key=f"uploads/{self.user_id}/{self.video_id}/{self.upload_id}/original.mp4",
            size_bytes=1000,
            tier="verified",
            content_type="video/mp4",
        )
        event.original_expires_at.FromDatetime(datetime.now(UTC) + timedelta(days=7))
        return event

    def lost(self) -> upload.OriginalLost:
        return upload.OriginalLost(**self._upload(1))

    def aborted(self, generation: int = 1) -> upload.UploadAborted:
        return upload.UploadAborted(**self._upload(generation))

    def expired(self, generation: int = 1) -> upload.UploadExpired:
        return upload.UploadExpired(**self._upload(generation))

    def failed_upload(self, generation: int = 1) -> upload.UploadFailed:
        return upload.UploadFailed(**self._upload(generation), code="UPLOAD_NOT_STARTED", message="It did not start.")

    def transcoding(self, generation: int = 1, attempt: int = 1) -> media.TranscodeStarted:
        return media.TranscodeStarted(**self._names(generation), attempt=attempt, probe=self._probe())

    def retrying(self, generation: int = 1) -> media.TranscodeRetryScheduled:
        return media.TranscodeRetryScheduled(**self._names(generation), attempt=1, code="STORAGE_ERROR")

    def transcoded(self, generation: int = 1, kinds: Sequence[str] = KINDS) -> media.TranscodeCompleted:
        prefix = f"videos/{self.user_id}/{self.video_id}/run/"
        return media.TranscodeCompleted(
            **self._names(generation),
            attempt=1,
            output_s3_prefix=prefix,
            assets=[
                media.Asset(kind=kind, s3_bucket="nextplay", s3_key=prefix + kind, content_type="video/mp4")
                for kind in kinds
            ],
            probe=self._probe(),
            run_ms=5000,
            encode_ms=4000,
        )

    def failed(self, generation: int = 1) -> media.TranscodeFailed:
        return media.TranscodeFailed(
            **self._names(generation), code="TRANSCODER_ERROR", message="The clip could not be converted.", attempts=4
        )

    def found_gone(self, generation: int = 1) -> media.TranscodeFailed:
        return media.TranscodeFailed(
            **self._names(generation),
            code="STORAGE_ERROR",
            message="The uploaded file is not stored any more.",
            attempts=1,
            original_gone=True,
        )

    def rejected(self, generation: int = 1) -> media.VideoRejected:
        return media.VideoRejected(
            **self._names(generation),
            code="DURATION_TOO_LONG",
            measured="42300 ms",
            limit="30000 ms",
            message="The clip lasts 42300 ms; the limit is 30000 ms.",
            probe=self._probe(42_300),
        )


@dataclass(frozen=True)
class Catalog:
    """A catalog with tables of its own, asked and told as its servicers and consumers do."""

    pool: Pool
    begin: Begin
    database: Database

    async def claim(
        self, clip: Clip, *, upload_id: UUID | None = None, must_exist: bool = False, title: str = "A clip"
    ) -> int:
        told = Description(title, "", "sports", Visibility.PUBLIC)
        claimant = Claimant(clip.video_id, upload_id or clip.upload_id, clip.user_id, must_exist, told)
        async with self.begin() as tx:
            return await claim_video(tx, claimant, utc_now())

    async def hear(self, *events: Message) -> None:
        """Apply events, each as a new one."""
        for event in events:
            await apply_once(self.begin, CONSUMER, describe(event), event, HANDLERS[type(event)])

    async def publish(self, clip: Clip, asked: Publication | None = None) -> Video:
        async with self.begin() as tx:
            return await publish_video(tx, clip.video_id, clip.user_id, asked or Publication(), utc_now())

    async def delete(self, clip: Clip) -> None:
        async with self.begin() as tx:
            await lifecycle.delete_video(tx, clip.video_id, clip.user_id, utc_now())

    async def retry(self, clip: Clip) -> Video:
        async with self.begin() as tx:
            return await lifecycle.retry_video(tx, clip.video_id, clip.user_id)

    async def make_ready(self, clip: Clip) -> None:
        await self.claim(clip)
        await self.hear(clip.started(), clip.completed(), clip.transcoding(), clip.transcoded())

    async def video(self, clip: Clip) -> Video:
        async with self.begin() as tx:
            video = await tx.store.videos.find(clip.video_id)
        assert video
        return video

    async def timeline(self, clip: Clip) -> list[Entry]:
        return await read_timeline(self.database, clip.video_id, clip.user_id)

    async def told(self, clip: Clip) -> list[Message]:
        """What the catalog emitted about the clip, in order."""
        rows = await self.pool.fetch(
            "SELECT headers, data FROM outbox WHERE key IN ($1, $2) ORDER BY id", str(clip.video_id), str(clip.user_id)
        )
        return [_decoded(row["headers"]["ce_type"], row["data"]) for row in rows]

    async def statuses(self, clip: Clip) -> list[tuple[str, int]]:
        """The changes of status that were told, with their sequences."""
        changes = [e for e in await self.told(clip) if isinstance(e, catalog_events_pb2.VideoStatusChanged)]
        return [(VideoMessage.Status.Name(change.to_status), change.sequence) for change in changes]

    async def names_told(self, clip: Clip) -> list[str]:
        return [event.DESCRIPTOR.name for event in await self.told(clip)]


def _decoded(name: str, data: bytes) -> Message:
    for module in OWN_EVENTS:
        event_type = getattr(module, name.rpartition(".")[2], None)
        if event_type is not None and event_type.DESCRIPTOR.full_name == name:
            event: Message = event_type.FromString(data)
            return event
    raise AssertionError(f"the catalog told a {name}")


def catalog_on(pool: Pool, replica: "Pool | None" = None) -> Catalog:
    return Catalog(pool, transactions(pool, open_store, lambda: None), Database(pool, replica or pool))
