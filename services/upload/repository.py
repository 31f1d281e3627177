"""The tables of upload in PostgreSQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from services.upload.domain.findings import Finding, FindingKind, Wanted
from services.upload.domain.parts import PartToSign
from services.upload.domain.upload import FailureCode, PartList, Status, Upload
from services.upload.ports import NewUpload, Purge, PurgeReason, Use, Walk

QUERIES = queries.load("services.upload")

PURGES = Leases("purges", claimable="true", order_by="next_at", key="purge_id")


class Repository:
    """Implements `ports.Store` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # How often a user may start uploads.

    async def hold_use(self, user_id: UUID, upload_id: UUID, limit: int, window: timedelta) -> Use:
        row = await self._row("hold_use", user_id, limit, window, upload_id)
        assert row is not None  # noqa: S101 - the function always answers
        until = await self._connection.fetchval(QUERIES["find_hold"], user_id, upload_id)
        return Use(row["allowed"], row["reset_seconds"], until)

    async def accept_use(self, user_id: UUID, upload_id: UUID, use: Use) -> bool:
        return await self._count("accept_use", user_id, upload_id, use.held_until) == 1

    async def was_overtaken(self, user_id: UUID, upload_id: UUID, use: Use) -> bool:
        found: bool = await self._connection.fetchval(QUERIES["was_overtaken"], user_id, upload_id, use.held_until)
        return found

    async def release_use(self, user_id: UUID, upload_id: UUID, use: Use) -> None:
        await self._count("release_use", user_id, upload_id, use.held_until)

    async def forget_uses(self, older_than: timedelta) -> int:
        return await self._count("forget_uses", older_than)

    # Uploads.

    async def insert(self, new: NewUpload) -> Upload | None:
        return await self._upload(
            "insert_upload",
            new.upload_id,
            new.video_id,
            new.user_id,
            new.generation,
            new.tier,
            new.filename,
            new.content_type,
            new.file_size_bytes,
            new.fingerprint,
            new.s3_key,
            new.s3_upload_id,
            new.part_checksums,
            new.lifetime,
        )

    async def find(self, upload_id: UUID, user_id: UUID) -> Upload | None:
        return await self._upload("find_upload", upload_id, user_id)

    async def lock(self, upload_id: UUID, user_id: UUID | None = None) -> Upload | None:
        if user_id is None:
            return await self._upload("lock_upload", upload_id)
        return await self._upload("lock_own_upload", upload_id, user_id)

    async def save(self, upload: Upload) -> None:
        await self._count(
            "save_upload",
            upload.upload_id,
            upload.status,
            upload.completing_parts,
            upload.completed_at,
            upload.ended_at,
            upload.failure_code,
            upload.failure_message,
            upload.completed_event_id,
            upload.original_expires_at,
        )

    async def save_answer(self, upload_id: UUID, status: str | None, sequence: int) -> None:
        await self._count("save_answer", upload_id, status, sequence)

    async def completing_since(self, seconds: float, limit: int) -> Sequence[Upload]:
        return await self._uploads("completing_since", seconds, limit)

    async def finish_later(self, upload_id: UUID) -> None:
        await self._count("finish_later", upload_id)

    async def expire_overdue(self, limit: int) -> Sequence[Upload]:
        expired = await self._connection.fetchval(QUERIES["expire_overdue"], limit)
        return await self._uploads("find_uploads", expired) if expired else ()

    async def delete_ended(self, days: int, limit: int) -> int:
        return await self._count("delete_ended", days, limit)

    # Parts.

    async def signed_lengths(self, upload_id: UUID) -> Mapping[int, int]:
        return await self._lengths("signed_lengths", upload_id)

    async def signed_checksums(self, upload_id: UUID) -> Mapping[int, str]:
        rows = await self._connection.fetch(QUERIES["signed_checksums"], upload_id)
        return {row["part_number"]: row["checksum_sha256"] for row in rows}

    async def sign_parts(self, upload_id: UUID, parts: Sequence[PartToSign]) -> Mapping[int, int]:
        columns = zip(*((part.number, part.content_length, part.checksum_sha256) for part in parts), strict=True)
        return await self._lengths("sign_parts", upload_id, *columns)

    async def save_received(self, upload_id: UUID, parts: PartList) -> None:
        await self._count("save_received", upload_id, [number for number, _ in parts], [etag for _, etag in parts])

    # Deleted videos.

    async def lock_video(self, video_id: UUID) -> bool:
        await self._connection.execute(QUERIES["lock_video"], video_id)
        is_deleted: bool = await self._connection.fetchval(QUERIES["is_video_deleted"], video_id)
        return is_deleted

    async def delete_video(self, video_id: UUID) -> None:
        await self._count("delete_video", video_id)
        await self._count("mark_originals_deleted", video_id)

    async def lock_active_of_video(self, video_id: UUID) -> Sequence[Upload]:
        return await self._uploads("lock_active_of_video", video_id)

    # Originals.

    async def mark_original_deleted(self, upload_id: UUID) -> Upload | None:
        return await self._upload("mark_original_deleted", upload_id)

    async def give_up_outlived_originals(self, in_use: timedelta, limit: int) -> Sequence[Upload]:
        return await self._uploads("give_up_outlived_originals", in_use, limit)

    async def original_wanted(self, upload_id: UUID, generation: int, keep_until: datetime) -> None:
        await self._count("original_wanted", upload_id, generation, keep_until)

    async def original_settled(self, video_id: UUID, generation: int, keep_until: datetime) -> None:
        await self._count("original_settled", video_id, generation, keep_until)

    # Purges.

    async def order_purge(self, prefix: str, reason: PurgeReason, delay: timedelta = timedelta()) -> None:
        await self._count("order_purge", prefix, reason, delay)

    async def claim_purges(self, owner: str, seconds: float, limit: int) -> Sequence[Purge]:
        rows = await PURGES.claim(self._connection, owner, seconds, limit)
        return [Purge(row["purge_id"], row["prefix"], row["reason"], row["fence"], row["attempts"]) for row in rows]

    async def finish_purge(self, purge: Purge) -> bool:
        return await self._count("finish_purge", purge.purge_id, purge.fence) == 1

    async def postpone_purge(self, purge: Purge, seconds: float) -> bool:
        return await PURGES.retry_later(self._connection, purge.purge_id, purge.fence, seconds)

    # What S3 holds against what the tables say.

    async def wanted(self, upload_ids: Collection[UUID]) -> Mapping[UUID, Wanted]:
        rows = await self._connection.fetch(QUERIES["find_wanted"], upload_ids)
        return {
            row["upload_id"]: Wanted(row["s3_key"], row["s3_upload_id"], row["is_unfinished"], row["has_original"])
            for row in rows
        }

    async def list_originals(
        self, after: str, until: str | None, prefix: str, min_age: timedelta, limit: int
    ) -> Sequence[str]:
        rows = await self._connection.fetch(QUERIES["list_originals"], after, until, prefix, min_age, limit)
        return [row["s3_key"] for row in rows]

    async def list_active(self, after: UUID, prefix: str, min_age: timedelta, limit: int) -> Sequence[Upload]:
        return await self._uploads("list_active", min_age, after, prefix, limit)

    async def save_findings(self, findings: Sequence[Finding]) -> Sequence[Finding]:
        columns = zip(*((one.kind, one.s3_key, one.s3_upload_id) for one in findings), strict=True)
        rows = await self._connection.fetch(QUERIES["save_findings"], *columns) if findings else ()
        return [_finding_of(row) for row in rows if row["is_new"]]

    async def count_due_findings(self, reported_for: timedelta, prefix: str, limit: int) -> int:
        count: int = await self._connection.fetchval(QUERIES["count_due_findings"], reported_for, prefix, limit)
        return count

    async def list_due_findings(
        self, after: UUID, reported_for: timedelta, prefix: str, limit: int
    ) -> Sequence[tuple[UUID, Finding]]:
        rows = await self._connection.fetch(QUERIES["list_due_findings"], after, reported_for, prefix, limit)
        return [(row["finding_id"], _finding_of(row)) for row in rows]

    async def close_finding(self, finding_id: UUID) -> None:
        await self._count("close_finding", finding_id)

    async def find_position(self, walk: Walk) -> str:
        position: str | None = await self._connection.fetchval(QUERIES["find_position"], walk)
        return position or ""

    async def save_position(self, walk: Walk, position: str | None) -> None:
        if position is None:
            await self._count("end_walk", walk)
        else:
            await self._count("save_position", walk, position)

    async def give_up_lost_original(self, upload_id: UUID) -> Upload | None:
        return await self._upload("give_up_lost_original", upload_id)

    async def _row(self, query: str, *values: object) -> asyncpg.Record | None:
        return await self._connection.fetchrow(QUERIES[query], *values)

    async def _upload(self, query: str, *values: object) -> Upload | None:
        row = await self._row(query, *values)
        return upload_of(row) if row is not None else None

    async def _uploads(self, query: str, *values: object) -> Sequence[Upload]:
        return [upload_of(row) for row in await self._connection.fetch(QUERIES[query], *values)]

    async def _lengths(self, query: str, *values: object) -> Mapping[int, int]:
        rows = await self._connection.fetch(QUERIES[query], *values)
        return {row["part_number"]: row["content_length"] for row in rows}

    async def _count(self, query: str, *values: object) -> int:
        """Run a statement that changes rows, and say how many."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _finding_of(row: asyncpg.Record) -> Finding:
    return Finding(FindingKind(row["kind"]), row["s3_key"], row["s3_upload_id"])


def upload_of(row: asyncpg.Record) -> Upload:
    """The upload of a row with `read_at`."""
    return Upload(
        upload_id=row["upload_id"],
        video_id=row["video_id"],
        user_id=row["user_id"],
        generation=row["generation"],
        tier=row["tier"],
        filename=row["filename"],
        content_type=row["content_type"],
        file_size_bytes=row["file_size_bytes"],
        fingerprint=row["fingerprint"],
        s3_key=row["s3_key"],
        s3_upload_id=row["s3_upload_id"],
        status=Status(row["status"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        read_at=row["read_at"],
        part_checksums=row["part_checksums"],
        completing_parts=tuple((number, etag) for number, etag in row["completing_parts"]),
        completed_at=row["completed_at"],
        ended_at=row["ended_at"],
        failure_code=FailureCode(row["failure_code"]) if row["failure_code"] else None,
        failure_message=row["failure_message"],
        completed_event_id=row["completed_event_id"],
        catalog_status=row["catalog_status"],
        catalog_sequence=row["catalog_sequence"],
        original_expires_at=row["original_expires_at"],
    )
