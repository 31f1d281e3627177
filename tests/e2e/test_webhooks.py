"""Webhooks through the public API: registered, told, tried, sent again and deleted."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from deploy.local.stack import Stack
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, until

Answer = Callable[[str], int]
"""The status for a request with that webhook-id."""


@dataclass
class Receiver:
    """A server of somebody who is told: what came to it."""

    url: str
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.seen]

    def verified(self, secret: str) -> list[dict[str, Any]]:
        """The bodies, whose signatures are right."""
        return [Verifier(secret).verify(body, headers) for headers, body in self.seen]


@contextmanager
def receiver(answer: Answer = lambda webhook_id: 204) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            received.seen.append((headers, body))
            self.send_response(answer(headers["webhook-id"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Receiver(f"http://127.0.0.1:{server.server_port}/hooks")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield received
        finally:
            server.shutdown()


def register(owner: Person, **said: object) -> dict[str, Any]:
    reply = owner.post("/v1/webhooks", said)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def deliveries_of(owner: Person, webhook_id: str, **query: object) -> dict[str, Any]:
    reply = owner.get(f"/v1/webhooks/{webhook_id}/deliveries", **query)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def delivered(owner: Person, webhook_id: str, count: int) -> list[dict[str, Any]]:
    """The deliveries, once so many have arrived."""

    def look() -> list[dict[str, Any]] | None:
        found = deliveries_of(owner, webhook_id)["deliveries"]
        return found if [one["status"] for one in found].count("DELIVERED") >= count else None

    return until(look, seconds=60, what=f"{count} deliveries to the webhook {webhook_id}")


def test_what_happens_to_a_video_is_told_signed_listed_and_sent_again(person: MakePerson) -> None:
    owner = person("owner")
    with receiver() as received:
        registered = register(owner, url=received.url, description="  Ours  ")
        webhook, secret = registered["webhook"], registered["secret"]
        assert secret.startswith("whsec_")
        assert (webhook["description"], webhook["enabled"]) == ("Ours", True)
        assert owner.get(f"/v1/webhooks/{webhook['webhook_id']}").json() == {"webhook": webhook}
        assert owner.get("/v1/webhooks").json() == {"webhooks": [webhook]}

        video_id = owner.initiate(1_000)["video_id"]
        assert owner.delete(f"/v1/videos/{video_id}").status_code in (200, 204)
        [told] = delivered(owner, webhook["webhook_id"], 1)
        [event] = received.verified(secret)
        assert event["type"] == told["event_type"] == "video.deleted"
        assert (event["data"]["video_id"], event["data"]["status"]) == (video_id, "DELETED")
        assert event["data"]["sequence"] >= 1
        assert received.ids() == [told["delivery_id"]]
        [attempt] = told["attempts"]
        assert attempt["http_status"] == 204

        again = f"/v1/webhooks/{webhook['webhook_id']}/deliveries/{told['delivery_id']}/resend"
        assert owner.post(again).json() == {"delivery_id": told["delivery_id"]}
        until(lambda: len(received.seen) == 2 or None, seconds=30, what="the delivery once more")
        assert received.ids() == [told["delivery_id"]] * 2


def test_a_webhook_can_be_tried_and_its_deliveries_are_paged(person: MakePerson) -> None:
    owner = person("owner")
    with receiver() as received:
        registered = register(owner, url=received.url, event_types=["video.ready"])
        webhook_id = registered["webhook"]["webhook_id"]
        tried = [owner.post(f"/v1/webhooks/{webhook_id}/test").json()["delivery_id"] for _ in range(3)]
        delivered(owner, webhook_id, 3)
        assert {event["type"] for event in received.verified(registered["secret"])} == {"webhook.test"}

        first = deliveries_of(owner, webhook_id, page_size=2)
        second = deliveries_of(owner, webhook_id, page_size=2, page_token=first["next_page_token"])
        pages = [one["delivery_id"] for page in (first, second) for one in page["deliveries"]]
        assert pages == tried[::-1]
        assert second["next_page_token"] == ""


def test_a_repeated_registration_shows_the_same_secret_and_a_rotation_another(person: MakePerson) -> None:
    owner, key = person("owner"), str(uuid.uuid4())
    with receiver() as received:
        body = {"url": received.url}
        first, second = (owner.post("/v1/webhooks", body, Idempotency_Key=key).json() for _ in range(2))
        assert first == second
        webhook_id = first["webhook"]["webhook_id"]
        assert len(owner.get("/v1/webhooks").json()["webhooks"]) == 1

        rotated = owner.post(f"/v1/webhooks/{webhook_id}/rotate-secret").json()
        assert rotated["secret"] != first["secret"]
        owner.post(f"/v1/webhooks/{webhook_id}/test")
        delivered(owner, webhook_id, 1)
        for secret in (first["secret"], rotated["secret"]):
            assert received.verified(secret)


def test_a_webhook_is_replaced_disabled_enabled_and_deleted(person: MakePerson) -> None:
    owner = person("owner")
    with receiver() as received:
        registered = register(owner, url=received.url, event_types=["video.ready", "video.ready"])
        path = f"/v1/webhooks/{registered['webhook']['webhook_id']}"
        assert registered["webhook"]["event_types"] == ["video.ready"]
        reply = owner.http.put(path, json={"url": received.url + "/2", "enabled": False}).json()["webhook"]
        assert (reply["url"], reply["event_types"], reply["enabled"]) == (received.url + "/2", [], False)
        assert reply["disabled_reason"] == "BY_OWNER"
        refused = owner.post(f"{path}/test")
        assert (refused.status_code, refused.json()["code"]) == (409, "WEBHOOK_DISABLED")
        reply = owner.http.put(path, json={"url": received.url}).json()["webhook"]
        assert reply["enabled"]
        assert "disabled_reason" not in reply
        assert [owner.delete(path).status_code for _ in range(2)] == [204, 204]
        assert owner.get(path).status_code == 404
        assert owner.get("/v1/webhooks").json() == {"webhooks": []}


def test_who_changes_a_webhook_too_often_is_told_when_to_come_back(person: MakePerson) -> None:
    owner = person("owner")
    with receiver() as received:
        path = f"/v1/webhooks/{register(owner, url=received.url)['webhook']['webhook_id']}"
        replies = [owner.http.put(path, json={"url": received.url}) for _ in range(25)]
    refused = next(reply for reply in replies if reply.status_code != 200)
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
    assert refused.json()["detail"].startswith("20 registrations and changes of webhooks are accepted at once")
    assert 1 <= int(refused.headers["retry-after"]) <= 12
    assert refused.headers["ratelimit"] == f'"rate_limited";r=0;t={refused.headers["retry-after"]}'


def test_a_user_has_ten_webhooks(person: MakePerson) -> None:
    owner = person("owner")
    for _ in range(10):
        register(owner, url="http://127.0.0.1:9/hooks")
    reply = owner.post("/v1/webhooks", {"url": "http://127.0.0.1:9/hooks"})
    assert (reply.status_code, reply.json()["code"]) == (409, "TOO_MANY_WEBHOOKS")


@pytest.mark.parametrize(
    "url",
    [
        "http://[::ffff:10.0.0.1]/",
        "https://[fe80::1]/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://0x7f.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://127.0.0.1./",
        "https://user:password@example.com/",
        "ftp://example.com/",
        "example.com",
        "https://no-such-name.invalid/",
        "https://example.com:0/",
        "https://example.com/" + "a" * 2_048,
    ],
)
def test_a_url_that_must_not_be_called_is_400_and_names_the_field(person: MakePerson, url: str) -> None:
    owner = person("owner")
    reply = owner.post("/v1/webhooks", {"url": url})
    assert (reply.status_code, reply.json()["code"]) == (400, "INVALID_ARGUMENT")
    [error] = reply.json()["errors"]
    assert error["field"] == "url"
    assert error["message"].startswith("must ")


def test_an_event_type_that_there_is_not_is_400(person: MakePerson) -> None:
    reply = person("owner").post("/v1/webhooks", {"url": "http://127.0.0.1:9/", "event_types": ["video.eaten"]})
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (400, "event_types[0]")


@pytest.mark.long
def test_a_kill_between_reply_and_commit_brings_the_same_id_again(person: MakePerson, platform: Stack) -> None:
    owner, kills = person("owner"), iter([True])

    def answer(webhook_id: str) -> int:
        if next(kills, False):
            platform.kill("notify")
        return 204

    with receiver(answer) as received:
        webhook_id = register(owner, url=received.url)["webhook"]["webhook_id"]
        tried = owner.post(f"/v1/webhooks/{webhook_id}/test").json()["delivery_id"]

        def look() -> bool | None:
            reply = owner.get(f"/v1/webhooks/{webhook_id}/deliveries")
            return (reply.status_code == 200 and reply.json()["deliveries"][0]["status"] == "DELIVERED") or None

        # The claim of the dead process ends after 60 s.
        until(look, seconds=120, what="the test event being delivered")
        assert received.ids() == [tried] * 2
