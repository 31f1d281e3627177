"""Deliveries in PostgreSQL."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any

import asyncpg

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from services.notify.domain.allowances import PUSHES
from services.notify.domain.delivery import (
    MAX_AGE,
    PUSH_INTERVAL_SECONDS,
    PUSHES_AHEAD,
    Delivery,
    Message,
    Push,
    Wait,
)
from services.notify.domain.device import Address, PushKeys, Vendor
from services.notify.domain.notification import PRIORITIES
from services.notify.domain.turns import Rooms
from services.notify.repository.turns import InTurns

QUERIES = queries.load("services.notify.queries", "deliveries.sql")

DELIVERIES = Leases("deliveries", claimable="status = 'PENDING'", order_by="delivery_id", key="delivery_id")
IN_TURNS = InTurns(DELIVERIES, channel="vendor = $13", urgent="priority = urgencies.priority")

POSTPONED_AT_ONCE = 1_000

_CLAIMED = [field.name for field in fields(Delivery)]
_AHEAD_SECONDS = PUSH_INTERVAL_SECONDS * (PUSHES_AHEAD - 1)


class Deliveries:
    """Implements `ports.deliveries.DeliveryStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def claim(
        self, vendor: str, owner: str, seconds: float, rooms: Rooms, place: str
    ) -> tuple[Sequence[Delivery], str]:
        rows, place = await IN_TURNS.claim(self._connection, owner, seconds, rooms, place, PRIORITIES, vendor)
        return [Delivery(*(row[name] for name in _CLAIMED)) for row in rows], place

    async def prepare(self, delivery: Delivery) -> Push | Wait | None:
        claim = delivery.delivery_id, delivery.fence
        of_device = PUSH_INTERVAL_SECONDS, _AHEAD_SECONDS, delivery.vendor
        of_user = PUSHES.name, PUSHES.every_seconds, PUSHES.ahead_seconds
        row = await self._connection.fetchrow(QUERIES["prepare_delivery"], *claim, *of_device, *of_user)
        if row is None:
            return None
        if row["address"] is None or row["notification_id"] is None:
            await self._change("end_delivery", delivery, "CANCELLED", None)
            return None
        if row["vendor"] != delivery.vendor:
            # Registered anew with another vendor since it was written or claimed: that vendor's loop claims it.
            await self._change("redirect_delivery", delivery, row["vendor"], row["host"])
            return Wait(0.0)
        if not row["wanted"]:
            await self._change("end_delivery", delivery, "CANCELLED", None)
            return None
        if row["has_turn"]:
            return _push(row)
        # Locked before the others, of which none is waited for: who cancels several would wait for us meanwhile.
        if not await self.hold(delivery):
            return None
        seconds = max(1.0, row["wait_seconds"])
        others = delivery.device_id, seconds, PUSH_INTERVAL_SECONDS, POSTPONED_AT_ONCE
        await self._connection.execute(QUERIES["postpone_others"], *others)
        return Wait(seconds)

    async def hold(self, delivery: Delivery) -> bool:
        return await DELIVERIES.held(self._connection, delivery.delivery_id, delivery.fence)

    async def end(self, delivery: Delivery, status: str, code: str | None) -> None:
        await self._change("end_delivery", delivery, status, code)

    async def postpone(self, delivery: Delivery, seconds: float, code: str | None) -> None:
        await self._change("postpone_delivery", delivery, seconds, code)

    async def give_back(self, delivery: Delivery, seconds: float) -> None:
        await self._change("give_back_delivery", delivery, seconds)

    async def remove_device(self, delivery: Delivery, address: Address) -> bool:
        values = delivery.device_id, address.vendor, address.value
        return await self._connection.fetchval(QUERIES["remove_gone_device"], *values) is not None

    async def waited_for(self, vendors: Collection[str]) -> Sequence[str]:
        return [row["vendor"] for row in await self._connection.fetch(QUERIES["find_waited_for"], list(vendors))]

    async def refuse(self, vendor: str, code: str, limit: int) -> int:
        return await self._count("refuse_pending", vendor, code, limit)

    async def expire(self, limit: int) -> int:
        return await self._count("expire_deliveries", MAX_AGE, limit)

    async def delete_ended_before(self, days: int, limit: int) -> int:
        return await self._count("delete_ended", days, limit)

    async def _change(self, query: str, delivery: Delivery, *values: object) -> None:
        await self._connection.execute(QUERIES[query], delivery.delivery_id, delivery.fence, *values)

    async def _count(self, query: str, *values: Any) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _push(row: asyncpg.Record) -> Push:
    keys = PushKeys(**row["keys"]) if row["keys"] else None
    return Push(
        address=Address(Vendor(row["vendor"]), row["address"], row["host"], keys),
        message=Message(row["notification_id"], row["kind"], row["title"], row["body"], row["video_id"]),
        age=row["age"],
    )
