"""What `/openapi.json` says of webhooks: made by generate/make_types.py, not by hand."""

from typing import NotRequired, TypedDict

from nextplay_client.types.words import DeliveryStatus, DisabledReason


class Webhook(TypedDict):
    """An endpoint."""

    # The endpoint (UUID).
    webhook_id: str
    # Where events are sent to.
    url: str
    # The types it is told; empty for all.
    event_types: list[str]
    # What its owner wrote about it; may be empty.
    description: str
    # Whether events are sent to it.
    enabled: bool
    # Why not, where it is not.
    disabled_reason: NotRequired[DisabledReason]
    # When it was registered.
    created_at: str
    # Since when nothing that was sent to it succeeded; absent while all is well.
    failing_since: NotRequired[str]


class CreatedWebhook(TypedDict):
    """A registered endpoint."""

    # The endpoint.
    webhook: Webhook
    # What its requests are signed with: `whsec_` and 32 bytes in base64. Keep it; it is not shown again.
    secret: str


class WebhookList(TypedDict):
    """The caller's endpoints."""

    # At most 10, newest first.
    webhooks: list[Webhook]


class FoundWebhook(TypedDict):
    """An endpoint."""

    # The endpoint.
    webhook: Webhook


class Attempt(TypedDict):
    """One request and its reply."""

    # When the request was sent.
    sent_at: str
    # Until the reply or the failure, milliseconds.
    latency_ms: int
    # HTTP status of the reply, where there was one.
    http_status: NotRequired[int]
    # What went wrong, where it did not succeed: HTTP_ERROR, REDIRECT, GONE, TIMEOUT, CONNECTION_FAILED, TLS_FAILED,
    # NO_PUBLIC_ADDRESS, PROTOCOL_ERROR or NOT_SENT, which is no fault of the endpoint.
    error_code: NotRequired[str]
    # The first 1,024 bytes of the reply's body, made printable; may be empty.
    reply: str


class Delivery(TypedDict):
    """One event on its way to one endpoint."""

    # The delivery (UUID): the header `webhook-id`, the same at each attempt.
    delivery_id: str
    # Type of the event.
    event_type: str
    # The body that is sent: JSON.
    payload: str
    # Where it stands.
    status: DeliveryStatus
    # When the event arrived here.
    created_at: str
    # When it ended, where it has.
    ended_at: NotRequired[str]
    # When it is sent next, where it is not ended.
    next_attempt_at: NotRequired[str]
    # The latest attempts, at most 20, newest first.
    attempts: list[Attempt]


class DeliveryPage(TypedDict):
    """A page of deliveries."""

    # The deliveries, newest first.
    deliveries: list[Delivery]
    # Token of the next page; empty on the last one.
    next_page_token: str


class RotatedSecret(TypedDict):
    """The new secret."""

    # As at registration; it is not shown again.
    secret: str
    # Until when requests are signed with the old secret too.
    old_secret_until: str


class StartedDelivery(TypedDict):
    """The delivery is under way."""

    # The delivery (UUID).
    delivery_id: str
