"""The cancelling of deliveries in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from services.notify.domain.notification import Channel, Kind
from services.notify.domain.withdrawal import ClaimedWithdrawal, Withdrawal

QUERIES = queries.load("services.notify.queries", "withdrawals.sql")

WITHDRAWALS = Leases("withdrawals", claimable="true", order_by="next_at", key="withdrawal_id")


class Withdrawals:
    """Implements `ports.withdrawals.WithdrawalStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def cancel(self, withdrawal: Withdrawal, limit: int) -> int:
        return await self._cancel(withdrawal, limit, None)

    async def leave(self, withdrawal: Withdrawal) -> None:
        await self._count(
            "leave_withdrawal",
            withdrawal.video_id,
            withdrawal.user_id,
            withdrawal.author_ids,
            withdrawal.channel,
            list(withdrawal.kinds),
            withdrawal.because,
            withdrawal.device_id,
            withdrawal.webhook_id,
        )

    async def claim(self, owner: str, seconds: float, limit: int) -> Sequence[ClaimedWithdrawal]:
        return [_claimed(row) for row in await WITHDRAWALS.claim(self._connection, owner, seconds, limit)]

    async def cancel_portion(self, claimed: ClaimedWithdrawal, limit: int) -> int:
        withdrawal_id, fence = claimed.withdrawal_id, claimed.fence
        if not await WITHDRAWALS.held(self._connection, withdrawal_id, fence):
            return 0
        withdrawn_at = await self._connection.fetchval(QUERIES["find_withdrawn_at"], withdrawal_id)
        cancelled = await self._cancel(claimed.withdrawal, limit, withdrawn_at)
        if cancelled < limit:
            await self._count("forget_withdrawal", withdrawal_id)
        else:
            await WITHDRAWALS.release(self._connection, withdrawal_id, fence)
        return cancelled

    async def _cancel(self, withdrawal: Withdrawal, limit: int, until: datetime | None) -> int:
        kinds, portion = list(withdrawal.kinds), (limit, until)
        if withdrawal.video_id:
            return await self._count("cancel_of_video", withdrawal.video_id, kinds, *portion)
        if withdrawal.device_id:
            return await self._count("cancel_of_device", withdrawal.device_id, *portion)
        if withdrawal.webhook_id:
            await self._count("lock_endpoint", withdrawal.webhook_id)
            return await self._count("cancel_of_endpoint", withdrawal.webhook_id, *portion)
        which = withdrawal.author_ids, withdrawal.channel
        return await self._count("cancel_of_user", withdrawal.user_id, kinds, *portion, *which)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _claimed(row: asyncpg.Record) -> ClaimedWithdrawal:
    withdrawal = Withdrawal(
        because=row["because"],
        kinds=[Kind(kind) for kind in row["kinds"]],
        video_id=row["video_id"],
        user_id=row["user_id"],
        device_id=row["device_id"],
        webhook_id=row["webhook_id"],
        author_ids=row["author_ids"],
        channel=Channel(row["channel"]) if row["channel"] else None,
    )
    return ClaimedWithdrawal(row["withdrawal_id"], withdrawal, row["fence"])
