"""What users want to be told."""

from collections.abc import Set
from typing import Protocol
from uuid import UUID

from services.notify.domain.preferences import Preferences


class PreferenceStore(Protocol):
    """The preferences and the muted authors, written inside one transaction."""

    async def replace(self, user_id: UUID, preferences: Preferences) -> Set[UUID]:
        """Put these in the place of all the user had; the authors who were not muted before. Another replacement for
        the same user waits until the transaction ends."""
