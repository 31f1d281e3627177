"""Requests to webhooks, signed as NextPlay signs them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from nextplay_client import InvalidSignature
from nextplay_client.webhooks import WebhookEvent, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = json.dumps({"type": "video.ready", "timestamp": "2026-01-02T03:04:05Z", "data": {"video_id": "01a2"}}).encode()


def signed(body: bytes = BODY, *, secret: str = SECRET, age: timedelta = timedelta()) -> dict[str, str]:
    at = datetime.now(UTC) - age
    signature = Webhook(secret).sign("0b3c", at, body.decode())
    return {"Webhook-Id": "0b3c", "Webhook-Timestamp": str(int(at.timestamp())), "Webhook-Signature": signature}


def test_a_signed_request_tells_its_event() -> None:
    event = verify(SECRET, BODY, signed())
    assert event == WebhookEvent("0b3c", "video.ready", "2026-01-02T03:04:05Z", {"video_id": "01a2"})


def test_one_of_two_signatures_is_enough() -> None:
    headers = signed()
    headers["Webhook-Signature"] = f"v1,AAAA {headers['Webhook-Signature']}"
    assert verify(SECRET, BODY, headers).delivery_id == "0b3c"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY + b" ", signed),
        (BODY, lambda: signed(secret="whsec_c29tZWJvZHkgZWxzZQ==")),
        (BODY, lambda: signed(age=timedelta(minutes=6))),
        (BODY, lambda: signed(age=timedelta(minutes=-6))),
        (BODY, dict),
        (BODY, lambda: signed() | {"Webhook-Signature": "nonsense"}),
        (b"\xff", signed),
        (b"[]", lambda: signed(b"[]")),
        (b"{}", lambda: signed(b"{}")),
    ],
    ids=["changed", "other secret", "too old", "too new", "unsigned", "nonsense", "no text", "a list", "no event"],
)
def test_any_other_request_is_refused(body: bytes, headers: Callable[[], dict[str, str]]) -> None:
    with pytest.raises(InvalidSignature):
        verify(SECRET, body, headers())
