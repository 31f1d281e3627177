"""What is asked about jobs, straight from the tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.media")


@dataclass(frozen=True)
class LastFact:
    """The latest event about a job as a serialized google.protobuf.Any, and when it came to be; None before."""

    packed: bytes | None
    at: datetime | None


@dataclass(frozen=True)
class QueueState:
    """By tier the jobs that wait and for how long the first of them has been due; how many were completed in the last
    minute."""

    waiting: Mapping[str, int]
    oldest_seconds: Mapping[str, float]
    completed_in_a_minute: int


async def find_last_fact(pool: Pool, video_id: UUID, generation: int) -> LastFact | None:
    """None when there is no such job."""
    async with acquire(pool) as connection:
        row = await connection.fetchrow(QUERIES["find_last_fact"], video_id, generation)
    return LastFact(row["last_fact"], row["last_fact_at"]) if row else None


async def is_job_due(pool: Pool) -> bool:
    """Whether a worker would find something to claim at this moment."""
    async with acquire(pool) as connection:
        return bool(await connection.fetchval(QUERIES["is_job_due"]))


async def queue_state(pool: Pool) -> QueueState:
    async with acquire(pool) as connection:
        waiting = await connection.fetch(QUERIES["count_waiting"])
        completed: int = await connection.fetchval(QUERIES["count_completed_lately"])
    depths, ages = ({row["tier"]: row[column] for row in waiting} for column in ("depth", "oldest_seconds"))
    return QueueState(depths, ages, completed)
