"""Events on their way to endpoints."""

from collections.abc import Sequence
from uuid import UUID

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.webhooks import Dispatch, Error, Event, Sent, Status
from services.notify.ports import Begin, Tx
from services.notify.ports.webhooks import Health, Rooms
from services.notify.usecases.outcomes import tell_webhook_disabled

CLAIM_SECONDS = 60.0
"""A request and the two whose turns it waits for take at most 45 s of it."""

log = telemetry.logger(__name__)


async def tell_endpoints(tx: Tx, event: Event) -> None:
    """Queue an event for every endpoint of its user that wants it, once for each."""
    if queued := await tx.store.webhooks.queue(event):
        log.info("webhook_event_queued", user_id=event.user_id, event_type=event.event_type, endpoints=queued)


async def claim_deliveries(
    begin: Begin, owner: str, limit: int, hosts: Rooms[str], users: Rooms[UUID]
) -> Sequence[Dispatch]:
    """Deliveries that are due, `owner`'s for 60 s; see `ports.webhooks.WebhookStore.claim`."""
    async with begin() as tx:
        return await tx.store.webhooks.claim(owner, CLAIM_SECONDS, limit, hosts, users)


async def look_again(begin: Begin, dispatch: Dispatch) -> Dispatch | None:
    """A claim as it is sent now; see `ports.webhooks.WebhookStore.look_again`."""
    async with begin() as tx:
        return await tx.store.webhooks.look_again(dispatch)


async def write_attempts(begin: Begin, failing_seconds: float, sent: Sequence[Sent]) -> None:
    """Write down what was sent, and with it how the endpoints fare.

    An endpoint that answered 410 is disabled at once, one of which nothing has succeeded for `failing_seconds` when a
    delivery is given up: a single failure after days without events says little. What is on its way to it is cancelled,
    and its owner is told. What a URL answered that the endpoint has no more says nothing of it.
    """
    notable = {one.dispatch.webhook_id for one in sent if one.attempt.error or one.dispatch.was_failing}
    async with begin() as tx:
        to_disable = await _note_health(tx, notable, failing_seconds, sent) if notable else []
        await tx.store.webhooks.write(sent)
        for endpoint, gone in to_disable:
            await _disable(tx, endpoint, gone=gone)
    for one in sent:
        outcome = one.attempt.error or "DELIVERED"
        metrics.webhook_attempts.add(1, {"outcome": outcome, "status": one.status})
        metrics.webhook_latency.record(one.attempt.latency_ms / 1000)


async def _note_health(
    tx: Tx, noted: set[UUID], failing_seconds: float, sent: Sequence[Sent]
) -> Sequence[tuple[Health, bool]]:
    """Those that are to be disabled, and whether each is gone."""
    asked = {(one.dispatch.webhook_id, one.dispatch.url) for one in sent if one.attempt.error is not Error.NOT_SENT}
    succeeded = {(one.dispatch.webhook_id, one.dispatch.url) for one in sent if not one.attempt.error}
    given_up = {(one.dispatch.webhook_id, one.dispatch.url) for one in sent if one.status is Status.FAILED}
    gone = {(one.dispatch.webhook_id, one.dispatch.url) for one in sent if one.attempt.error is Error.GONE}
    to_disable = []
    for endpoint in await tx.store.webhooks.lock_endpoints(sorted(noted), failing_seconds):
        called = endpoint.webhook_id, endpoint.url
        if called not in asked:
            continue
        works = called in succeeded
        if endpoint.failing is works:
            await tx.store.webhooks.set_failing(endpoint.webhook_id, not works)
        is_gone = called in gone
        is_failing = endpoint.failing_too_long and called in given_up and not works
        if endpoint.enabled and (is_gone or is_failing):
            to_disable.append((endpoint, is_gone))
    return to_disable


async def _disable(tx: Tx, endpoint: Health, *, gone: bool) -> None:
    webhook_id, host, reason = endpoint.webhook_id, endpoint.host, "GONE" if gone else "FAILING"
    disabled_at = await tx.store.webhooks.disable(webhook_id, reason)
    await tx.store.webhooks.cancel(webhook_id)
    await tell_webhook_disabled(tx, endpoint.user_id, webhook_id, host, disabled_at, gone=gone)
    log.warning("webhook_disabled", webhook_id=webhook_id, host=host, reason=reason)


async def delete_old_deliveries(begin: Begin, days: int) -> int:
    """Delete what arrived more than `days` days ago, in portions, and say how many deliveries that were."""
    deleted = 0
    while True:
        async with begin() as tx:
            portion = await tx.store.webhooks.delete_before(days)
        if not portion:
            return deleted
        deleted += portion
