"""Where videos stand, for polls and watchers."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.clock import utc_now
from chassis.postgres import Connection, Database
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.outlook import Outlook, Running, RunProgress, Waiting, look_out
from services.catalog.domain.video import Video
from services.catalog.reads.kept import Kept
from services.catalog.reads.replica import Ask, ask_either, ask_replica
from services.catalog.reads.together import Together
from services.catalog.repository.videos import video_from

QUERIES = queries.load("services.catalog.queries", "status.sql")


OwnVideo: TypeAlias = tuple[UUID, UUID]
"""The id of a video and of its owner."""


@dataclass(frozen=True)
class Standing:
    """A video and what its present run last signalled, if anything."""

    video: Video
    run: RunProgress | None

    @property
    def own(self) -> OwnVideo:
        """What it is asked for by."""
        return self.video.video_id, self.video.user_id


class Statuses:
    """Where own videos stand. Polls share queries, so that a rush of them does not become one of the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept = Kept(database.primary)
        self._on_replica = Together(self._ask_replica)
        self._on_primary = Together(self._ask_primary)

    async def read(self, video_id: UUID, user_id: UUID, min_sequence: int = 0) -> Standing:
        """Where an own video stands, with at least `min_sequence` where the video has got so far.

        Asks the replica; the primary where the replica is behind, knows no such video (yet) or is left.
        Raises VideoNotFound.
        """
        own, standing = (video_id, user_id), None
        if self._database.replica is not self._database.primary:
            standing = await self._on_replica.get(own)
        if standing is None or standing.video.sequence < min_sequence:
            standing = await self._on_primary.get(own)
        if standing is None:
            raise VideoNotFound
        return standing

    async def _ask_replica(self, asked: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        return await ask_replica(self._database, _statuses(asked)) or {}

    async def _ask_primary(self, asked: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
        return await self._kept.ask(_statuses(asked))


async def read_statuses(database: Database, asked: Collection[OwnVideo]) -> Mapping[OwnVideo, Standing]:
    """Where these videos stand, in one query."""
    return await ask_either(database, _statuses(asked))


async def read_outlook(database: Database, jobs_per_minute: float) -> Outlook:
    """Queue and pace as the tables tell them."""

    async def read(connection: Connection) -> Outlook:
        waiting = await connection.fetch(QUERIES["read_queue"])
        running = await connection.fetch(QUERIES["read_running"])
        pace = Outlook(**dict(await connection.fetchrow(QUERIES["read_pace"]) or {}), jobs_per_minute=jobs_per_minute)
        return look_out(
            pace,
            [Waiting(**dict(row)) for row in waiting],
            [Running(row["changed_at"], row["duration_ms"], row["size_bytes"], _run(row)) for row in running],
            utc_now(),
        )

    return await ask_either(database, read)


def _statuses(asked: Collection[OwnVideo]) -> Ask[Mapping[OwnVideo, Standing]]:
    async def ask(connection: Connection) -> Mapping[OwnVideo, Standing]:
        if len(asked) == 1:
            rows = await connection.fetch(QUERIES["read_status"], *next(iter(asked)))
        else:
            rows = await connection.fetch(QUERIES["read_statuses"], *zip(*asked, strict=True))
        standings = [_standing(row) for row in rows]
        return {standing.own: standing for standing in standings}

    return ask


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(video_from(row), _run(row))


def _run(row: asyncpg.Record) -> RunProgress | None:
    if row["percent"] is None:
        return None
    return RunProgress(row["percent"], row["remaining_seconds"], row["observed_at"])
