"""A user's devices as they are shown: without their addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.postgres import Pool, acquire

QUERIES = queries.load("services.notify.queries", "devices.sql")


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device, who delivers to it and which host is called for it."""

    device_id: UUID
    vendor: str
    host: str
    registered_at: datetime


async def list_devices(pool: Pool, user_id: UUID) -> Sequence[RegisteredDevice]:
    """All of the user's, latest first."""
    async with acquire(pool) as connection:
        rows = await connection.fetch(QUERIES["list_devices"], user_id)
    return [RegisteredDevice(**dict(row)) for row in rows]
