"""What may be done so often and no more."""

from uuid import UUID

from services.notify.domain.allowances import Allowance, TooOften
from services.notify.ports import Begin, Tx

FORGOTTEN_AT_ONCE = 10_000


async def use(tx: Tx, subject_id: UUID, allowance: Allowance) -> None:
    """Count one use, if the transaction commits. Raises TooOften."""
    wait_seconds = await tx.store.allowances.use(subject_id, allowance)
    if wait_seconds is not None:
        raise TooOften(allowance, wait_seconds)


async def forget_uses(begin: Begin) -> int:
    """Delete what says nothing any more, in portions, and say how many rows that were."""
    forgotten = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.allowances.forget(FORGOTTEN_AT_ONCE)
        forgotten += portion
        if portion < FORGOTTEN_AT_ONCE:
            return forgotten
