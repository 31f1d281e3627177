"""How often somebody has done what is limited."""

from typing import Protocol
from uuid import UUID

from services.notify.domain.allowances import Allowance


class AllowanceStore(Protocol):
    """The uses of allowances, counted by the database's clock and for all processes."""

    async def use(self, subject_id: UUID, allowance: Allowance) -> float | None:
        """Count one use, and let the subject's next one wait until the transaction ends. In how many seconds one is
        allowed, where it is none now: then nothing is counted."""

    async def forget(self, limit: int) -> int:
        """Delete up to `limit` that say nothing any more, as their time has passed; how many they were."""
