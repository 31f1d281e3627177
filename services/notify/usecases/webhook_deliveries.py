"""Events on their way to endpoints: the steps of `delivering`, and what they tell of the endpoints."""

import random
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from chassis import telemetry
from services.notify import metrics
from services.notify.domain.turns import Rooms
from services.notify.domain.webhooks import Attempt, Claim, Dispatch, Error, Event, Sent, Status, judge
from services.notify.domain.withdrawal import of_endpoint
from services.notify.ports import Begin, Tx
from services.notify.ports.ways import Way
from services.notify.ports.webhooks import Health, Send
from services.notify.usecases.outcomes import tell_webhook_disabled
from services.notify.usecases.together import together
from services.notify.usecases.withdrawals import withdraw

CLAIM_SECONDS = 60.0
"""Longer than a request may take; what a killed process had claimed is claimed again after this."""
OUTCOMES = {Status.DELIVERED: "delivered", Status.PENDING: "retry", Status.FAILED: "given_up"}

log = telemetry.logger(__name__)


async def tell_endpoints(tx: Tx, event: Event) -> None:
    """Queue an event for every endpoint of its user that wants it, once for each."""
    if queued := await tx.store.webhooks.queue(event):
        log.info("webhook_event_queued", user_id=event.user_id, event_type=event.event_type, endpoints=queued)


def way_to_webhooks(begin: Begin, owner: str, send: Send, failing_seconds: float) -> Way[Claim, Dispatch, Attempt]:
    """How `owner` sends events to endpoints: what is looked at, and what is written down, at the same time is so in one
    transaction."""
    write = together("write attempts", partial(write_attempts, begin, failing_seconds))

    async def write_down(dispatch: Dispatch, attempt: Attempt) -> None:
        await write((dispatch, attempt))

    return Way(
        "webhooks",
        claim=partial(claim, begin, owner),
        look_again=together("look again", partial(look_again, begin)),
        send=send,
        write_down=write_down,
    )


async def claim(begin: Begin, owner: str, rooms: Rooms, place: str) -> tuple[Sequence[Claim], str]:
    """Deliveries for which there is room now; each is `owner`'s for 60 s."""
    async with begin() as tx:
        return await tx.store.webhooks.claim(owner, CLAIM_SECONDS, rooms, place)


async def look_again(begin: Begin, claims: Sequence[Claim]) -> Sequence[Dispatch | None]:
    """What is sent for each claim, as its endpoint is now; None where nothing is to be sent any more."""
    async with begin() as tx:
        return await tx.store.webhooks.look_again(claims)


async def write_attempts(
    begin: Begin, failing_seconds: float, attempts: Sequence[tuple[Dispatch, Attempt]]
) -> Sequence[Sent]:
    """Judge what was sent and write it down, and with it how the endpoints fare.

    An endpoint that answered 410 is disabled at once, one of which nothing has succeeded for `failing_seconds` when a
    delivery is given up: a single failure after days without events says little. What is on its way to it is cancelled,
    and its owner is told. What a URL answered that the endpoint has no more says nothing of it.
    """
    sent = [judge(dispatch, attempt, random.random()) for dispatch, attempt in attempts]  # noqa: S311 - spreads retries
    notable = {one.dispatch.webhook_id for one in sent if one.attempt.error or one.dispatch.was_failing}
    async with begin() as tx:
        to_disable = await _note_health(tx, notable, failing_seconds, sent) if notable else []
        await tx.store.webhooks.write(sent)
        for endpoint, gone in to_disable:
            await _disable(tx, endpoint, gone=gone)
    for one in sent:
        outcome = "gone" if one.attempt.error is Error.GONE else OUTCOMES[one.status]
        metrics.attempted.add(1, {"channel": "webhook", "outcome": outcome})
        if one.attempt.error:
            metrics.webhook_errors.add(1, {"error": one.attempt.error})
        metrics.webhook_latency.record(one.attempt.latency_ms / 1000)
    return sent


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
    await withdraw(tx, of_endpoint(webhook_id))
    await tell_webhook_disabled(tx, endpoint.user_id, webhook_id, host, disabled_at, gone=gone)
    log.warning("webhook_disabled", webhook_id=webhook_id, host=host, reason=reason)
