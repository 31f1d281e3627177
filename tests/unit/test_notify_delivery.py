"""When a delivery is tried again, and what of a message fits."""

from datetime import timedelta
from uuid import uuid4

import pytest

from services.notify.domain.delivery import Message, next_attempt

NOW = timedelta()


@pytest.mark.parametrize(
    ("attempts", "age", "after", "chance", "seconds"),
    [
        (1, NOW, None, 1.0, 10.0),
        (1, NOW, None, 0.0, 7.5),
        (2, NOW, None, 1.0, 40.0),
        (1, NOW, 60.0, 1.0, 60.0),
        (3, NOW, 60.0, 1.0, 160.0),
        (7, timedelta(hours=12), None, 1.0, 40_960.0),
    ],
)
def test_waits_grow_fourfold_and_are_no_shorter_than_asked_for(
    attempts: int, age: timedelta, after: float | None, chance: float, seconds: float
) -> None:
    assert next_attempt(attempts, age, after, chance) == seconds


@pytest.mark.parametrize(
    ("attempts", "age", "after"),
    [(8, NOW, None), (7, timedelta(hours=13), None), (1, timedelta(hours=24), None), (1, NOW, 86_401.0)],
)
def test_after_eight_attempts_or_a_day_it_is_given_up(attempts: int, age: timedelta, after: float | None) -> None:
    assert next_attempt(attempts, age, after, 1.0) is None


@pytest.mark.parametrize("character", ["a", "é", "€", "🎬"])
def test_texts_are_cut_between_characters_and_short_ones_not_at_all(character: str) -> None:
    title, body = Message(uuid4(), "video_ready", character * 3_000, "short", uuid4()).shown
    assert body == "short"
    assert title.strip(character) == "…"
    assert 396 <= len(title.encode()) <= 400


def test_a_collapse_key_is_what_every_vendor_takes() -> None:
    message = Message(uuid4(), "webhook_disabled", "title", "body", None)
    assert len(message.collapse_key) == 32
    assert message.collapse_key.isalnum()
    assert message.opened == {"kind": "webhook_disabled", "notification_id": str(message.notification_id)}
