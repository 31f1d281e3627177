"""The receiving end of webhooks: is a request from NextPlay, and what does it tell?"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from nextplay_client.errors import InvalidSignature


@dataclass(frozen=True)
class WebhookEvent:
    """One event: `delivery_id` is the same at each attempt, so who has seen it does nothing more.

    `type` is `video.ready`, `video.failed`, …; `timestamp` when it happened, RFC 3339; `data` what else is told.
    """

    delivery_id: str
    type: str
    timestamp: str
    data: dict[str, Any]


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> WebhookEvent:
    """The event of a request that was signed with the endpoint's secret within the last five minutes.

    `body` is as it came, before it is parsed. Raises InvalidSignature.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        Webhook(secret).verify(body, given, json_parse=False)
        told = json.loads(body)
        return WebhookEvent(given["webhook-id"], told["type"], told["timestamp"], told["data"])
    except (WebhookVerificationError, ValueError, KeyError, TypeError) as error:
        raise InvalidSignature(f"The request is not one of this webhook's: {error}.") from error
