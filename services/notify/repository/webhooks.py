"""Webhooks in PostgreSQL."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis import queries
from chassis.leases import Leases
from chassis.postgres import Connection
from chassis.tracing import carried
from services.notify.domain.turns import Rooms
from services.notify.domain.webhooks import Claim, Dispatch, Endpoint, Event, Sent, Status, Webhook
from services.notify.ports.webhooks import Health
from services.notify.repository.turns import InTurns

QUERIES = queries.load("services.notify.queries", "webhooks.sql")

DELIVERIES = Leases("webhook_deliveries", claimable="status = 'PENDING'", order_by="next_at", key="delivery_id")
IN_TURNS = InTurns(DELIVERIES, channel="true", urgent="true")
ONE_PRIORITY = (0,)

_CLAIMED = [field.name for field in fields(Claim)]


class Webhooks:
    """Implements `ports.webhooks.WebhookStore`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_user(self, user_id: UUID) -> None:
        await self._connection.execute(QUERIES["lock_webhooks_of_user"], user_id)

    async def count(self, user_id: UUID) -> int:
        count: int = await self._connection.fetchval(QUERIES["count_webhooks"], user_id)
        return count

    async def add(self, webhook_id: UUID, user_id: UUID, endpoint: Endpoint, secret: bytes) -> None:
        said = endpoint.url, endpoint.host, endpoint.event_types, endpoint.description
        await self._connection.execute(QUERIES["add_webhook"], webhook_id, user_id, *said, secret)

    async def find(self, webhook_id: UUID, user_id: UUID) -> Webhook | None:
        return _webhook(await self._connection.fetchrow(QUERIES["find_webhook"], webhook_id, user_id))

    async def lock(self, webhook_id: UUID, user_id: UUID) -> Webhook | None:
        return _webhook(await self._connection.fetchrow(QUERIES["lock_webhook"], webhook_id, user_id))

    async def replace(self, webhook_id: UUID, endpoint: Endpoint, *, enabled: bool) -> None:
        said = endpoint.url, endpoint.host, endpoint.event_types, endpoint.description
        await self._connection.execute(QUERIES["replace_webhook"], webhook_id, *said, enabled)

    async def delete_deliveries(self, webhook_id: UUID, limit: int) -> int:
        return await self._count("delete_deliveries", webhook_id, limit)

    async def delete(self, webhook_id: UUID, user_id: UUID) -> None:
        await self._connection.execute(QUERIES["delete_webhook"], webhook_id, user_id)

    async def find_secret(self, webhook_id: UUID, user_id: UUID) -> tuple[bytes, datetime | None] | None:
        row = await self._connection.fetchrow(QUERIES["find_secret"], webhook_id, user_id)
        return (row["secret"], row["old_secret_until"]) if row else None

    async def rotate_secret(self, webhook_id: UUID, secret: bytes, old_seconds: float) -> datetime:
        until: datetime = await self._connection.fetchval(QUERIES["rotate_secret"], webhook_id, secret, old_seconds)
        return until

    async def queue(self, event: Event) -> int:
        values = event.user_id, event.event_id, event.event_type, event.payload, carried()
        return await self._count("queue_event", *values)

    async def queue_test(self, delivery_id: UUID, webhook_id: UUID, payload: str) -> None:
        await self._connection.execute(QUERIES["queue_test"], delivery_id, webhook_id, payload, carried())

    async def find_delivery(self, delivery_id: UUID, webhook_id: UUID) -> Status | None:
        status = await self._connection.fetchval(QUERIES["find_delivery"], delivery_id, webhook_id)
        return Status(status) if status else None

    async def send_again(self, delivery_id: UUID, keep_attempts: int) -> None:
        await self._connection.execute(QUERIES["forget_attempts"], delivery_id, keep_attempts)
        await self._connection.execute(QUERIES["send_again"], delivery_id)

    async def claim(self, owner: str, seconds: float, rooms: Rooms, place: str) -> tuple[Sequence[Claim], str]:
        rows, place = await IN_TURNS.claim(self._connection, owner, seconds, rooms, place, ONE_PRIORITY)
        return [Claim(*(row[name] for name in _CLAIMED)) for row in rows], place

    async def look_again(self, claims: Sequence[Claim]) -> Sequence[Dispatch | None]:
        asked = [(claim.delivery_id, claim.fence, claim.host) for claim in claims]
        rows = await self._connection.fetch(QUERIES["look_again"], *zip(*asked, strict=True))
        found = {row["delivery_id"]: Dispatch(**row) for row in rows}
        return [found.get(claim.delivery_id) for claim in claims]

    async def lock_endpoints(self, webhook_ids: Sequence[UUID], failing_seconds: float) -> Sequence[Health]:
        rows = await self._connection.fetch(QUERIES["lock_endpoints"], webhook_ids, failing_seconds)
        return [Health(**row) for row in rows]

    async def set_failing(self, webhook_id: UUID, failing: bool) -> None:
        await self._connection.execute(QUERIES["set_failing"], webhook_id, failing)

    async def disable(self, webhook_id: UUID, reason: str) -> datetime:
        disabled_at: datetime = await self._connection.fetchval(QUERIES["disable_webhook"], webhook_id, reason)
        return disabled_at

    async def write(self, sent: Sequence[Sent]) -> int:
        rows = [
            (
                one.dispatch.delivery_id,
                one.dispatch.fence,
                one.attempt.sent_at,
                one.attempt.latency_ms,
                one.attempt.http_status,
                one.attempt.error,
                one.attempt.reply,
                one.status,
                one.wait_seconds,
            )
            for one in sent
        ]
        return await self._count("write_attempts", *zip(*rows, strict=True))

    async def expire(self, seconds: float, limit: int) -> int:
        return await self._count("expire_webhook_deliveries", seconds, limit)

    async def delete_before(self, days: int, limit: int) -> int:
        return await self._count("delete_old_webhook_deliveries", days, limit)

    async def _count(self, query: str, *values: object) -> int:
        """How many rows a statement has written."""
        return int((await self._connection.execute(QUERIES[query], *values)).split()[-1])


def _webhook(row: asyncpg.Record | None) -> Webhook | None:
    return Webhook(**row) if row else None
