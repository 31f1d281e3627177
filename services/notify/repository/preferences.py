"""Preferences in PostgreSQL."""

from collections.abc import Set
from uuid import UUID

from chassis import queries
from chassis.postgres import Connection
from services.notify.domain.preferences import Preferences

QUERIES = queries.load("services.notify.queries", "preferences.sql")


class PreferencesOfUsers:
    """Implements `ports.preferences.PreferenceStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def replace(self, user_id: UUID, preferences: Preferences) -> Set[UUID]:
        kinds, channels = [kind for kind, _ in preferences.disabled], [channel for _, channel in preferences.disabled]
        authors = list(preferences.muted_author_ids)
        await self._connection.execute(QUERIES["lock_preferences"], user_id)
        await self._connection.execute(QUERIES["drop_preferences"], user_id)
        await self._connection.execute(QUERIES["add_preferences"], user_id, kinds, channels)
        await self._connection.execute(QUERIES["unmute_others"], user_id, authors)
        return {row["author_id"] for row in await self._connection.fetch(QUERIES["mute"], user_id, authors)}
