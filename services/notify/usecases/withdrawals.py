"""Taking back what is not delivered yet, however much it is."""

from collections.abc import Sequence

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.withdrawal import ClaimedWithdrawal, Withdrawal
from services.notify.ports import Begin, Tx

CANCELLED_AT_ONCE = 1_000
CLAIM_SECONDS = 30.0
"""Longer than a portion takes; what a killed process had claimed is claimed again after this."""
WITHDRAWALS_AT_ONCE = 2

log = telemetry.logger(__name__)


async def withdraw(tx: Tx, withdrawal: Withdrawal) -> None:
    """Cancel a portion, and leave what is more than that to `cancel_what_is_left`: nothing of it is sent from the
    commit on, and the transaction stays short."""
    cancelled = await tx.store.withdrawals.cancel(withdrawal, CANCELLED_AT_ONCE)
    if cancelled == CANCELLED_AT_ONCE:
        await tx.store.withdrawals.leave(withdrawal)
    _tell(withdrawal, cancelled)


async def claim_withdrawals(begin: Begin, owner: str) -> Sequence[ClaimedWithdrawal]:
    """Withdrawals of which something is left; each is `owner`'s for 30 s."""
    async with begin() as tx:
        return await tx.store.withdrawals.claim(owner, CLAIM_SECONDS, WITHDRAWALS_AT_ONCE)


async def cancel_what_is_left(begin: Begin, claimed: ClaimedWithdrawal) -> None:
    """Cancel the next portion in a transaction of its own, and give the claim back until nothing is left."""
    async with begin() as tx:
        cancelled = await tx.store.withdrawals.cancel_portion(claimed, CANCELLED_AT_ONCE)
    _tell(claimed.withdrawal, cancelled)


def _tell(withdrawal: Withdrawal, cancelled: int) -> None:
    if cancelled:
        metrics.cancelled.add(cancelled, {"because": withdrawal.because})
        log.info(
            "deliveries_cancelled",
            video_id=withdrawal.video_id,
            user_id=withdrawal.user_id,
            device_id=withdrawal.device_id,
            webhook_id=withdrawal.webhook_id,
            cancelled=cancelled,
            because=withdrawal.because,
        )
