"""Webhooks as their owner sees them. The primary answers: who has just changed one looks at it again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis import queries
from chassis.paging import Position
from chassis.postgres import Pool, acquire
from services.notify.domain.webhooks import Webhook, WebhookNotFound

QUERIES = queries.load("services.notify.queries", "webhooks.sql")


@dataclass(frozen=True, slots=True)
class AttemptSeen:
    """One request and its reply."""

    sent_at: datetime
    latency_ms: int
    http_status: int | None
    error_code: str | None
    reply: str


@dataclass(frozen=True, slots=True)
class DeliverySeen:
    """A delivery with its latest attempts, newest first. `next_attempt_at` is None where it has ended."""

    delivery_id: UUID
    event_type: str
    payload: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    next_attempt_at: datetime | None
    attempts: Sequence[AttemptSeen]


async def list_webhooks(pool: Pool, user_id: UUID) -> Sequence[Webhook]:
    """The user's, newest first."""
    async with acquire(pool) as connection:
        return [Webhook(**row) for row in await connection.fetch(QUERIES["list_webhooks"], user_id)]


async def find_webhook(pool: Pool, webhook_id: UUID, user_id: UUID) -> Webhook:
    """Raises WebhookNotFound, also for another user's."""
    async with acquire(pool) as connection:
        row = await connection.fetchrow(QUERIES["find_webhook"], webhook_id, user_id)
    if row is None:
        raise WebhookNotFound
    return Webhook(**row)


async def list_deliveries(
    pool: Pool, webhook_id: UUID, user_id: UUID, after: Position, limit: int
) -> Sequence[DeliverySeen]:
    """Up to `limit` after that position, newest first. Raises WebhookNotFound."""
    async with acquire(pool) as connection:
        if not await connection.fetchrow(QUERIES["find_webhook"], webhook_id, user_id):
            raise WebhookNotFound
        rows = await connection.fetch(QUERIES["list_webhook_deliveries"], webhook_id, after.time, after.id, limit)
        tried = await connection.fetch(QUERIES["list_attempts"], [row["delivery_id"] for row in rows])
    attempts: dict[UUID, list[AttemptSeen]] = {row["delivery_id"]: [] for row in rows}
    for one in tried:
        values = dict(one)
        attempts[values.pop("delivery_id")].append(AttemptSeen(**values))
    return [DeliverySeen(**row, attempts=attempts[row["delivery_id"]]) for row in rows]
