"""Preferences as they are shown."""

from uuid import UUID

from chassis import queries
from chassis.postgres import Pool, acquire
from services.notify.domain.notification import Channel, Kind
from services.notify.domain.preferences import Preferences

QUERIES = queries.load("services.notify.queries", "preferences.sql")


async def read_preferences(pool: Pool, user_id: UUID) -> Preferences:
    """What the user has switched off and muted."""
    async with acquire(pool) as connection:
        disabled = await connection.fetch(QUERIES["read_preferences"], user_id)
        muted = await connection.fetch(QUERIES["read_muted_authors"], user_id)
    return Preferences(
        {(Kind(row["kind"]), Channel(row["channel"])) for row in disabled}, {row["author_id"] for row in muted}
    )
