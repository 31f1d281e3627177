"""The rules of webhooks: what is sent, how often, and how secrets are kept."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag

from services.notify.domain.notification import Reason
from services.notify.domain.webhook_events import VideoState, payload_of_test, video_event
from services.notify.domain.webhooks import Attempt, Dispatch, Error, Status, judge
from services.notify.webhooks.sealing import Seals

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
DAY = 24 * 3600.0


def dispatch(*, attempts: int = 1, age_seconds: float = 0.0) -> Dispatch:
    return Dispatch(
        delivery_id=uuid4(),
        webhook_id=uuid4(),
        user_id=uuid4(),
        url="https://user-path.example/secret-path",
        host="user-path.example",
        event_type="video.ready",
        payload="{}",
        fence=attempts,
        attempts=attempts,
        secret=b"a secret",
        old_secret=None,
        was_failing=False,
        age_seconds=age_seconds,
    )


def failed(error: Error = Error.HTTP_ERROR, retry_after: float | None = None) -> Attempt:
    return Attempt(NOW, latency_ms=0, http_status=500, error=error, retry_after=retry_after)


def test_an_attempt_that_succeeds_ends_the_delivery() -> None:
    assert judge(dispatch(), Attempt(NOW, 12, 204), 0.5).status is Status.DELIVERED


def test_thirteen_attempts_within_24_hours_are_made_and_no_more() -> None:
    waits: list[float] = []
    for attempts in range(1, 100):
        sent = judge(dispatch(attempts=attempts, age_seconds=sum(waits)), failed(), 0.5)
        if sent.status is Status.FAILED:
            break
        assert sent.status is Status.PENDING
        waits.append(sent.wait_seconds)
    assert waits[:8] == [5, 30, 120, 600, 1800, 3600, 7200, 14400]
    assert len(waits) + 1 == 13
    assert 23 * 3600 < sum(waits) <= DAY


def test_retries_are_spread_by_a_tenth() -> None:
    assert [judge(dispatch(), failed(), chance).wait_seconds for chance in (0, 1)] == [4.5, 5.5]


def test_what_the_endpoint_asks_for_is_waited_at_least() -> None:
    assert judge(dispatch(), failed(retry_after=90), 0.5).wait_seconds == 90
    assert judge(dispatch(), failed(retry_after=1), 0.5).wait_seconds == 5


def test_waiting_ends_with_the_24_hours_and_one_last_attempt() -> None:
    sent = judge(dispatch(age_seconds=DAY - 60), failed(retry_after=DAY), 0.5)
    assert (sent.status, sent.wait_seconds) == (Status.PENDING, 60)
    assert judge(dispatch(attempts=2, age_seconds=DAY), failed(retry_after=5), 0.5).status is Status.FAILED


def test_what_comes_too_late_to_be_sent_has_failed() -> None:
    late = dispatch(attempts=2, age_seconds=DAY + 2 * 3600)
    assert late.is_too_late
    assert judge(late, failed(Error.NOT_SENT), 0.5).status is Status.FAILED


def test_an_endpoint_that_is_gone_is_not_tried_again() -> None:
    assert judge(dispatch(), failed(Error.GONE), 0.5).status is Status.FAILED


def test_a_claim_tells_logs_neither_url_nor_secret_nor_body() -> None:
    said = repr(dispatch())
    assert "secret" not in said
    assert "payload" not in said


def test_an_event_tells_what_happened_to_a_video() -> None:
    video = VideoState(
        "v-1", "“Ünïcode 🎬”", "REJECTED_FORMAT", 4, 2, reason=Reason("CORRUPT", "It is.", "Send again.")
    )
    event = video_event(uuid4(), "video.rejected", uuid4(), NOW, video)
    assert json.loads(event.payload) == {
        "type": "video.rejected",
        "timestamp": "2026-01-02T03:04:05.678901Z",
        "data": {
            "video_id": "v-1",
            "title": "“Ünïcode 🎬”",
            "status": "REJECTED_FORMAT",
            "sequence": 4,
            "generation": 2,
            "reason": {"code": "CORRUPT", "message": "It is.", "next_action": "Send again."},
        },
    }
    assert json.loads(payload_of_test(UUID(int=1), NOW))["type"] == "webhook.test"


def test_a_secret_opens_with_its_key_for_its_endpoint_alone() -> None:
    ours, theirs, webhook_id = Seals(bytes(32)), Seals(bytes([1] * 32)), uuid4()
    sealed = ours.seal(webhook_id, b"secret")
    assert b"secret" not in sealed
    assert sealed != ours.seal(webhook_id, b"secret")
    assert ours.unseal(webhook_id, sealed) == b"secret"
    for seals, endpoint in ((theirs, webhook_id), (ours, uuid4())):
        with pytest.raises(InvalidTag):
            seals.unseal(endpoint, sealed)
