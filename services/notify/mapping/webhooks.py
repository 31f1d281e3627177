"""Between the messages of webhooks and what the use cases know."""

import base64
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import FieldViolation, InvalidArgument
from chassis.limits import limits_of
from chassis.paging import AskedPage, Position, asked_page
from nextplay.notify.v1 import webhooks_service_pb2 as messages
from services.notify.domain.webhooks import Endpoint, Webhook
from services.notify.reads.webhooks import AttemptSeen, DeliverySeen


def event_types_from(request: messages.CreateWebhookRequest | messages.ReplaceWebhookRequest) -> Sequence[str]:
    """Each type once. Raises InvalidArgument for one that there is not."""
    known = limits_of(request.DESCRIPTOR.fields_by_name["event_types"]).words
    rule = f"must be one of {', '.join(known)}"
    wrong = [
        FieldViolation(f"event_types[{index}]", f"{rule}, is {asked[:64]!r}")
        for index, asked in enumerate(request.event_types)
        if asked not in known
    ]
    if wrong:
        raise InvalidArgument(fields=wrong)
    return sorted(set(request.event_types))


def endpoint_from(request: messages.CreateWebhookRequest | messages.ReplaceWebhookRequest, host: str) -> Endpoint:
    """What the owner says of an endpoint. Raises InvalidArgument."""
    return Endpoint(request.url, host, event_types_from(request), description_from(request.description))


def description_from(description: str) -> str:
    """Raises InvalidArgument for what can't be stored."""
    if "\x00" in description:
        raise InvalidArgument(fields=[FieldViolation("description", "must not hold the character U+0000")])
    return description.strip()


def webhook_message(webhook: Webhook) -> messages.Webhook:
    reason = webhook.disabled_reason
    return messages.Webhook(
        webhook_id=str(webhook.webhook_id),
        url=webhook.url,
        event_types=webhook.event_types,
        description=webhook.description,
        enabled=reason is None,
        disabled_reason=messages.Webhook.Disabled.Value(reason) if reason else None,
        created_at=_timestamp(webhook.created_at),
        failing_since=_timestamp(webhook.failing_since) if webhook.failing_since else None,
    )


def secret_text(secret: bytes) -> str:
    """As the specification Standard Webhooks writes it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def rotated(secret: bytes, old_secret_until: datetime | None) -> messages.RotateWebhookSecretResponse:
    until = _timestamp(old_secret_until) if old_secret_until else None
    return messages.RotateWebhookSecretResponse(secret=secret_text(secret), old_secret_until=until)


def deliveries_asked(
    request: messages.ListWebhookDeliveriesRequest, webhook_id: UUID, user_id: UUID, key: bytes
) -> AskedPage:
    """Raises InvalidArgument for a token of another list."""
    return asked_page(request, key=key, query=f"webhook deliveries {user_id} {webhook_id}")


def deliveries_page(asked: AskedPage, deliveries: Sequence[DeliverySeen]) -> messages.ListWebhookDeliveriesResponse:
    page, token = asked.cut(deliveries, lambda delivery: Position(delivery.created_at, delivery.delivery_id))
    return messages.ListWebhookDeliveriesResponse(deliveries=map(_delivery, page), next_page_token=token)


def _delivery(delivery: DeliverySeen) -> messages.WebhookDelivery:
    return messages.WebhookDelivery(
        delivery_id=str(delivery.delivery_id),
        event_type=delivery.event_type,
        payload=delivery.payload,
        status=messages.WebhookDelivery.Status.Value(delivery.status),
        created_at=_timestamp(delivery.created_at),
        ended_at=_timestamp(delivery.ended_at) if delivery.ended_at else None,
        next_attempt_at=_timestamp(delivery.next_attempt_at) if delivery.next_attempt_at else None,
        attempts=map(_attempt, delivery.attempts),
    )


def _attempt(attempt: AttemptSeen) -> messages.WebhookDelivery.Attempt:
    return messages.WebhookDelivery.Attempt(
        sent_at=_timestamp(attempt.sent_at),
        latency_ms=attempt.latency_ms,
        http_status=attempt.http_status,
        error_code=attempt.error_code,
        reply=attempt.reply,
    )


def _timestamp(time: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
