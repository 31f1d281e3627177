"""What an owner does with webhooks."""

from datetime import datetime
from uuid import UUID

from chassis import telemetry
from services.notify.domain.allowances import RESENDS, TESTS
from services.notify.domain.webhook_events import payload_of_test
from services.notify.domain.webhooks import (
    KEPT_ATTEMPTS,
    MAX_WEBHOOKS,
    OLD_SECRET_SECONDS,
    RETRY_SECONDS,
    DeliveryNotFound,
    Endpoint,
    Status,
    TooManyWebhooks,
    Webhook,
    WebhookDisabled,
    WebhookNotFound,
)
from services.notify.domain.withdrawal import of_endpoint
from services.notify.ports import Begin, Tx
from services.notify.usecases import allowances
from services.notify.usecases.withdrawals import withdraw

DELETED_AT_ONCE = 2_000

log = telemetry.logger(__name__)


async def create(tx: Tx, webhook_id: UUID, user_id: UUID, endpoint: Endpoint, secret: bytes) -> Webhook:
    """Register an endpoint with its encrypted secret. A repeat with the same id finds what the first try has written.

    Raises TooManyWebhooks.
    """
    await tx.store.webhooks.lock_user(user_id)
    known = await tx.store.webhooks.find(webhook_id, user_id)
    if known:
        return known
    if await tx.store.webhooks.count(user_id) >= MAX_WEBHOOKS:
        raise TooManyWebhooks
    await tx.store.webhooks.add(webhook_id, user_id, endpoint, secret)
    log.info("webhook_created", user_id=user_id, webhook_id=webhook_id, host=endpoint.host)
    return await _lock(tx, webhook_id, user_id)


async def replace(tx: Tx, webhook_id: UUID, user_id: UUID, endpoint: Endpoint, *, enabled: bool) -> Webhook:
    """Change an own endpoint; disabling it cancels what is on its way. Raises WebhookNotFound."""
    await _lock(tx, webhook_id, user_id)
    await tx.store.webhooks.replace(webhook_id, endpoint, enabled=enabled)
    if not enabled:
        await withdraw(tx, of_endpoint(webhook_id))
    return await _lock(tx, webhook_id, user_id)


async def delete(begin: Begin, webhook_id: UUID, user_id: UUID) -> None:
    """Delete an own endpoint with its deliveries, in portions, a transaction each, so that none runs long; one that is
    not there stays so. Who is cut off in between repeats it."""
    deleted = DELETED_AT_ONCE
    while deleted == DELETED_AT_ONCE:
        async with begin() as tx:
            if await tx.store.webhooks.lock(webhook_id, user_id) is None:
                return
            deleted = await tx.store.webhooks.delete_deliveries(webhook_id, DELETED_AT_ONCE)
            if deleted < DELETED_AT_ONCE:
                await tx.store.webhooks.delete(webhook_id, user_id)


async def rotate_secret(tx: Tx, webhook_id: UUID, user_id: UUID, secret: bytes) -> datetime:
    """Sign with another secret from now on, and with the old one until the returned time. Raises WebhookNotFound."""
    await _lock(tx, webhook_id, user_id)
    return await tx.store.webhooks.rotate_secret(webhook_id, secret, OLD_SECRET_SECONDS)


async def find_secret(tx: Tx, webhook_id: UUID, user_id: UUID) -> tuple[bytes, datetime | None]:
    """The encrypted secret of an own endpoint, and until when the one before holds. Raises WebhookNotFound."""
    found = await tx.store.webhooks.find_secret(webhook_id, user_id)
    if found is None:
        raise WebhookNotFound
    return found


async def test(tx: Tx, delivery_id: UUID, webhook_id: UUID, user_id: UUID, now: datetime) -> None:
    """Send a test event to an own endpoint, once for each delivery id.

    Raises WebhookNotFound, WebhookDisabled, TooOften.
    """
    await _lock_enabled(tx, webhook_id, user_id)
    await allowances.use(tx, webhook_id, TESTS)
    await tx.store.webhooks.queue_test(delivery_id, webhook_id, payload_of_test(webhook_id, now))


async def resend(tx: Tx, delivery_id: UUID, webhook_id: UUID, user_id: UUID) -> None:
    """Send a delivery that has ended again, with the same id and body; one that is under way stays as it is.

    Raises WebhookNotFound, WebhookDisabled, DeliveryNotFound, TooOften.
    """
    await _lock_enabled(tx, webhook_id, user_id)
    status = await tx.store.webhooks.find_delivery(delivery_id, webhook_id)
    if status is None:
        raise DeliveryNotFound
    if status is not Status.PENDING:
        await allowances.use(tx, user_id, RESENDS)
        await tx.store.webhooks.send_again(delivery_id, KEPT_ATTEMPTS - len(RETRY_SECONDS) - 1)


async def _lock(tx: Tx, webhook_id: UUID, user_id: UUID) -> Webhook:
    webhook = await tx.store.webhooks.lock(webhook_id, user_id)
    if webhook is None:
        raise WebhookNotFound
    return webhook


async def _lock_enabled(tx: Tx, webhook_id: UUID, user_id: UUID) -> None:
    if (await _lock(tx, webhook_id, user_id)).disabled_reason:
        raise WebhookDisabled
