"""The tables of media in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg
from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from chassis.tracing import traceparent_of_current_span
from services.media.domain.job import Job, JobStatus, Losses, Purge, Run, RunOutcome
from services.media.domain.remote import News, RemoteJob, RemoteStatus

QUERIES = queries.load("services.media")

JOBS = Leases(
    "transcode_jobs", claimable="status IN ('QUEUED', 'PROCESSING')", order_by="queue_rank, job_id", key="job_id"
)
PURGES = Leases("deleted_videos", claimable="purged_at IS NULL", order_by="next_at", key="video_id")

_ENDING_RUN = {JobStatus.COMPLETED: RunOutcome.WON, JobStatus.REJECTED: RunOutcome.REJECTED}


class Repository:
    """Implements `ports.Store` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_video(self, video_id: UUID) -> None:
        await self._connection.execute(QUERIES["lock_video"], str(video_id))

    async def is_deleted(self, video_id: UUID) -> bool:
        return bool(await self._connection.fetchval(QUERIES["is_deleted"], video_id))

    async def is_superseded(self, job: Job) -> bool:
        return bool(await self._connection.fetchval(QUERIES["is_superseded"], job.video_id, job.generation))

    async def insert_job(self, job: Job) -> bool:
        written = await self._count(
            "insert_job",
            job.job_id,
            job.video_id,
            job.generation,
            job.upload_id,
            job.user_id,
            job.tier,
            job.input_s3_key,
            job.size_bytes,
            job.head_start,
            traceparent_of_current_span(),
        )
        return written > 0

    async def lock_job_under_way(self, job_id: UUID) -> tuple[Job, int] | None:
        row = await self._connection.fetchrow(QUERIES["lock_job_under_way"], job_id)
        return (_job(row), row["attempts"]) if row else None

    async def end_open_runs(self, job_id: UUID, outcome: RunOutcome, code: str | None = None) -> int:
        return await self._count("end_open_runs", job_id, outcome, code)

    async def stop_job(self, job_id: UUID, code: str, message: str) -> None:
        await self._count("end_job", job_id, JobStatus.FAILED, code, message, None)

    async def queue_anew(self, job_id: UUID, returned: int) -> None:
        await self._count("queue_anew", job_id, returned)

    async def cancel_jobs(self, video_id: UUID, *, below_generation: int) -> int:
        return await self._count("cancel_jobs", video_id, below_generation)

    async def bury(self, video_id: UUID, user_id: UUID) -> None:
        await self._count("bury_video", video_id, user_id)

    async def claim_run(self, run_id: UUID, owner: str, lease_seconds: float, *, take_up: bool = False) -> Run | None:
        for row in await JOBS.claim(self._connection, owner, lease_seconds):
            if take_up and (handed_on := await self._connection.fetchrow(QUERIES["take_up_run"], row["job_id"])):
                await self._count("mark_processing", row["job_id"])
                run_id, attempt, losses = handed_on
                return replace(_run(row, run_id), attempt=attempt, losses=losses, taken_up=True)
            run = _run(row, run_id)
            await self._count("begin_run", run_id, run.job.job_id, run.attempt, run.output_s3_prefix)
            await self._count("mark_processing", run.job.job_id)
            return run
        return None

    async def end_lost_runs(self, run: Run) -> Losses | None:
        row = await self._connection.fetchrow(QUERIES["end_lost_runs"], run.job.job_id, run.run_id)
        return Losses(row["attempts"], row["losses"], row["found_at"]) if row else None

    async def hold(self, run: Run) -> bool:
        return await JOBS.held(self._connection, run.job.job_id, run.fence)

    async def record_fact(self, job_id: UUID, fact: Message) -> None:
        packed = Any()
        packed.Pack(fact)
        await self._count("record_fact", job_id, packed.SerializeToString())

    async def end_job(
        self, run: Run, status: JobStatus, *, code: str | None = None, message: str | None = None
    ) -> None:
        prefix = run.output_s3_prefix if status is JobStatus.COMPLETED else None
        await self._count("end_job", run.job.job_id, status, code, message, prefix)
        await self.end_run(run.run_id, _ENDING_RUN.get(status, RunOutcome.FAILED), code)

    async def end_run(self, run_id: UUID, outcome: RunOutcome, code: str | None = None) -> RunOutcome:
        return RunOutcome(await self._connection.fetchval(QUERIES["end_run"], run_id, outcome, code))

    async def retry_job(self, run: Run, seconds: float) -> datetime:
        await JOBS.retry_later(self._connection, run.job.job_id, run.fence, seconds)
        next_at: datetime = await self._connection.fetchval(QUERIES["queue_again"], run.job.job_id)
        return next_at

    async def retry_at_once(self) -> int:
        return await self._count("retry_at_once")

    async def release_job(self, run: Run) -> None:
        await JOBS.release(self._connection, run.job.job_id, run.fence)
        await self._count("queue_again", run.job.job_id)

    async def hand_on(self, run_id: UUID) -> RemoteJob:
        await self._count("hand_on_run", run_id)
        return await self.remote_job(run_id)

    async def remote_job(self, run_id: UUID) -> RemoteJob:
        row = await self._connection.fetchrow(QUERIES["find_remote_job"], run_id)
        if row is None:
            raise LookupError(f"run {run_id} was not handed on")
        return RemoteJob(**{**row, "status": RemoteStatus(row["status"])})

    async def record_news(self, news: News) -> bool:
        written = await self._count(
            "record_news", news.run_id, news.remote_id, news.status, news.percent, news.error_code, news.error_message
        )
        return written > 0

    async def goes_on(self, run_id: UUID) -> bool:
        return bool(await self._connection.fetchval(QUERIES["goes_on"], run_id))

    async def take_unwanted(self) -> Sequence[tuple[UUID, str]]:
        rows = await self._connection.fetch(QUERIES["take_unwanted"])
        return [(row["run_id"], row["remote_id"]) for row in rows]

    async def runs_to_sweep(self, ended_seconds_ago: float, limit: int) -> Sequence[tuple[UUID, str]]:
        await self._count("end_runs_of_ended_jobs", ended_seconds_ago)
        rows = await self._connection.fetch(QUERIES["find_runs_to_sweep"], ended_seconds_ago, limit)
        return [(row["run_id"], row["output_s3_prefix"]) for row in rows]

    async def mark_swept(self, run_id: UUID) -> None:
        await self._count("mark_swept", run_id)

    async def sweep_later(self, run_id: UUID) -> None:
        await self._count("sweep_later", run_id)

    async def claim_purges(self, owner: str, lease_seconds: float, limit: int) -> Sequence[Purge]:
        rows = await PURGES.claim(self._connection, owner, lease_seconds, limit)
        return [Purge(row["video_id"], row["user_id"], row["fence"]) for row in rows]

    async def end_purge(self, purge: Purge, again_seconds: float) -> None:
        if await PURGES.held(self._connection, purge.video_id, purge.fence):
            await self._count("mark_purged", purge.video_id, again_seconds)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _run(row: asyncpg.Record, run_id: UUID) -> Run:
    return Run(
        run_id=run_id,
        attempt=row["attempts"],
        fence=row["fence"],
        job=_job(row),
        queued_at=row["created_at"],
        traceparent=row["traceparent"],
    )


def _job(row: asyncpg.Record) -> Job:
    return Job(
        job_id=row["job_id"],
        video_id=row["video_id"],
        generation=row["generation"],
        upload_id=row["upload_id"],
        user_id=row["user_id"],
        tier=row["tier"],
        input_s3_key=row["input_s3_key"],
        size_bytes=row["size_bytes"],
    )
