"""What is not to be delivered any more."""

from collections.abc import Sequence
from typing import Protocol

from services.notify.domain.withdrawal import ClaimedWithdrawal, Withdrawal


class WithdrawalStore(Protocol):
    """Deliveries that are pending, cancelled inside one transaction: also those that are just being tried, whose end is
    not written down any more."""

    async def cancel(self, withdrawal: Withdrawal, limit: int) -> int:
        """Cancel up to `limit` of them; how many they were."""

    async def leave(self, withdrawal: Withdrawal) -> None:
        """Let nothing of it be sent that was written until now, and have it cancelled by who claims it."""

    async def claim(self, owner: str, seconds: float, limit: int) -> Sequence[ClaimedWithdrawal]:
        """Lease up to `limit` of those that were left."""

    async def cancel_portion(self, claimed: ClaimedWithdrawal, limit: int) -> int:
        """Cancel up to `limit` of what was left; forget the withdrawal where they were fewer, else give the claim back.
        How many they were: none where the claim was lost."""
