"""What users are told, as they see and choose it, on the whole platform."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.local.stack import Stack
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, Uploaded, execute, until

PREFERENCES = "/v1/notifications/preferences"


def replace(person: Person, **body: object) -> dict[str, Any]:
    reply = person.http.put(PREFERENCES, json=body)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def kinds_told(person: Person, video_id: str) -> list[str]:
    reply = person.get("/v1/notifications")
    assert reply.status_code == 200, reply.text
    return [entry["kind"] for entry in reply.json()["notifications"] if entry["video_id"] == video_id]


def publish(uploaded: Uploaded) -> None:
    uploaded.becomes("READY")
    assert uploaded.owner.post(f"/v1/videos/{uploaded.video_id}/publish", {"visibility": "public"}).status_code == 200


@contextmanager
def watching(person: Person, **headers: str) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
    """The events of the inbox's stream: their ids and data."""
    with person.http.stream("GET", "/v1/notifications/stream", headers=headers, timeout=60) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")

        def events() -> Iterator[tuple[int, dict[str, Any]]]:
            number = 0
            data: dict[str, Any] | None = None
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                number = int(value) if name == "id" else number
                data = json.loads(value) if name == "data" else data
                if not line and data is not None:
                    yield number, data
                    data = None

        yield events()


def test_preferences_are_kept_and_the_app_shows_nothing_of_what_is_switched_off(person: MakePerson, clip: Path) -> None:
    alice = person("alice")
    ready_in_app = {"kind": "video_ready", "channel": "in_app", "enabled": False}
    replaced = replace(alice, preferences=[ready_in_app])
    assert ready_in_app in replaced["preferences"]
    assert alice.get(PREFERENCES).json() == replaced
    bob = person("bob")
    assert bob.put(f"/v1/users/{alice.user_id}/follow").status_code == 204
    uploaded = alice.upload(clip)
    publish(uploaded)
    until(lambda: kinds_told(bob, uploaded.video_id) or None, seconds=30, what="the follower being told")
    assert kinds_told(alice, uploaded.video_id) == []
    assert replace(alice)["preferences"] == bob.get(PREFERENCES).json()["preferences"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (
            {"preferences": [{"kind": "video_lost", "channel": "in_app", "enabled": True}]},
            "preferences[0].kind",
        ),
        (
            {"preferences": [{"kind": "video_ready", "channel": "pigeon", "enabled": True}]},
            "preferences[0].channel",
        ),
        ({"preferences": [{"kind": "video_ready", "channel": "in_app"}]}, "preferences[0].enabled"),
        ({"muted_author_ids": ["alice"]}, "muted_author_ids[0]"),
        ({"muted_author_ids": [str(uuid.uuid4()) for _ in range(1_001)]}, "muted_author_ids"),
    ],
    ids=["kind", "channel", "no value", "author", "too many authors"],
)
def test_a_preference_that_does_not_exist_is_refused_by_its_field(
    person: MakePerson, body: dict[str, object], field: str
) -> None:
    reply = person("alice").http.put(PREFERENCES, json=body)
    assert reply.status_code == 400, reply.text
    assert [error["field"] for error in reply.json()["errors"]] == [field]


def test_a_muted_author_is_told_of_to_others_alone(person: MakePerson, clip: Path) -> None:
    alice, bob, carol = person("alice"), person("bob"), person("carol")
    for follower in (bob, carol):
        assert follower.put(f"/v1/users/{alice.user_id}/follow").status_code == 204
    assert replace(bob, muted_author_ids=[alice.user_id])["muted_author_ids"] == [alice.user_id]
    uploaded = alice.upload(clip)
    publish(uploaded)
    until(lambda: kinds_told(carol, uploaded.video_id) or None, seconds=30, what="the other follower being told")
    assert kinds_told(carol, uploaded.video_id) == ["video_published"]
    assert kinds_told(bob, uploaded.video_id) == [], "both are in one page of followers"


def test_an_unfollow_cancels_what_waits_to_be_delivered(person: MakePerson, platform: Stack) -> None:
    alice, bob = person("alice"), person("bob")
    assert bob.put(f"/v1/users/{alice.user_id}/follow").status_code == 204
    delivery = uuid.uuid4()
    execute(
        platform.dsn("notify"),
        "INSERT INTO deliveries (delivery_id, notification_id, user_id, kind, video_id, actor_user_id, device_id, "
        "vendor, host, next_at) "
        "VALUES ($1, $1, $2, 'video_published', $1, $3, $1, 'fcm', 'example.com', now() + interval '1 day')",
        delivery,
        uuid.UUID(bob.user_id),
        uuid.UUID(alice.user_id),
    )
    assert bob.delete(f"/v1/users/{alice.user_id}/follow").status_code == 204
    status = "SELECT status FROM deliveries WHERE delivery_id = $1"

    def is_cancelled() -> bool | None:
        return execute(platform.dsn("notify"), status, delivery)[0]["status"] == "CANCELLED" or None

    until(is_cancelled, seconds=30, what="the delivery being cancelled")
    execute(platform.dsn("notify"), "DELETE FROM deliveries WHERE delivery_id = $1", delivery)


def test_the_stream_tells_what_is_new_and_goes_on_after_what_was_seen(person: MakePerson, clip: Path) -> None:
    alice = person("alice")
    with watching(alice) as events:
        began, first = next(events)
        assert first == {"sequence": began}
        uploaded = alice.upload(clip)
        number, told = next(events)
        assert number == told["sequence"] > began
        assert (told["notification"]["kind"], told["notification"]["video_id"]) == ("video_ready", uploaded.video_id)
    with watching(alice, **{"Last-Event-ID": str(began)}) as events:
        assert next(events) == (began, {"sequence": began})
        assert next(events) == (number, told)
    listed = alice.get("/v1/notifications").json()
    assert listed["latest_sequence"] == number
    assert listed["notifications"][0] == told["notification"]
