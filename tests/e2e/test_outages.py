"""PostgreSQL or S3 away, stopped or hanging, while requests come: clear answers in time, and all is well afterwards."""

import json
import os
import re
import signal
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from deploy.local.identity import user_id
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, announcement, becomes, until
from tests.openapi import events, published

DEADLINE_SECONDS = 10.0  # the gateway's own
SLACK_SECONDS = 2.0  # for the machine that the tests share


@pytest.fixture(scope="module")
def platform() -> Iterator[Stack]:
    """A platform whose servers these tests may take away."""
    with tempfile.TemporaryDirectory(prefix="nextplay-outage-") as directory:
        home = Path(directory)
        start(home, with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


@dataclass(frozen=True)
class Things:
    """What a person has, so that every request is one that would succeed."""

    upload_id: str
    etag: str
    video_id: str
    published_id: str
    playlist: httpx.URL
    other_id: str
    device_id: str
    webhook_id: str
    delivery_id: str


Away = Callable[[Stack, str], AbstractContextManager[None]]
NOBODY = "http://127.0.0.1:9/hooks"
SERVICES = ("upload", "media", "media-worker", "catalog", "notify", "gateway")

REQUESTS: dict[str, Callable[[Things], Mapping[str, Any]]] = {
    "POST /v1/uploads/initiate": lambda _: {"json": announcement(1000)},
    "POST /v1/uploads/{upload_id}/parts/presign": lambda _: {"json": {"part_number": 1, "content_length": 1000}},
    "POST /v1/uploads/{upload_id}/parts/presign-batch": lambda _: {
        "json": {"parts": [{"part_number": 1, "content_length": 1000}]}
    },
    "GET /v1/uploads/{upload_id}": lambda _: {},
    "GET /v1/uploads": lambda _: {"params": {"fingerprint": "none"}},
    "POST /v1/uploads/{upload_id}/complete": lambda things: {
        "json": {"parts": [{"part_number": 1, "etag": things.etag}]}
    },
    "DELETE /v1/uploads/{upload_id}": lambda _: {},
    "GET /v1/videos/{video_id}": lambda _: {},
    "GET /v1/videos/{video_id}/status": lambda _: {},
    "GET /v1/videos/{video_id}/events": lambda _: {},
    "GET /v1/videos/{video_id}/timeline": lambda _: {},
    "PATCH /v1/videos/{video_id}": lambda _: {"json": {"title": "Another title"}},
    "POST /v1/videos/{video_id}/publish": lambda _: {"json": {"when_ready": True}},
    "POST /v1/videos/{video_id}/retry": lambda _: {"json": {}},
    "DELETE /v1/videos/{video_id}": lambda _: {},
    "GET /v1/videos": lambda _: {},
    "GET /v1/users/{user_id}/videos": lambda _: {},
    "GET /v1/feed": lambda _: {},
    "GET /v1/feed/discover": lambda _: {},
    "PUT /v1/users/{user_id}/follow": lambda _: {},
    "DELETE /v1/users/{user_id}/follow": lambda _: {},
    "GET /v1/users/{user_id}/followers": lambda _: {},
    "GET /v1/users/{user_id}/following": lambda _: {},
    "GET /v1/notifications": lambda _: {},
    "POST /v1/notifications/read": lambda _: {"json": {"until": "2026-01-01T00:00:00Z"}},
    "GET /v1/notifications/stream": lambda _: {},
    "GET /v1/notifications/preferences": lambda _: {},
    "PUT /v1/notifications/preferences": lambda _: {"json": {}},
    "GET /v1/devices": lambda _: {},
    "GET /v1/devices/web-push-key": lambda _: {},
    "PUT /v1/devices/{device_id}": lambda things: {"json": {"fcm": {"token": things.device_id * 3}}},
    "DELETE /v1/devices/{device_id}": lambda _: {},
    "POST /v1/webhooks": lambda _: {"json": {"url": NOBODY}},
    "GET /v1/webhooks": lambda _: {},
    "GET /v1/webhooks/{webhook_id}": lambda _: {},
    "PUT /v1/webhooks/{webhook_id}": lambda _: {"json": {"url": NOBODY, "enabled": False}},
    "DELETE /v1/webhooks/{webhook_id}": lambda _: {},
    "POST /v1/webhooks/{webhook_id}/rotate-secret": lambda _: {"json": {}},
    "POST /v1/webhooks/{webhook_id}/test": lambda _: {"json": {}},
    "GET /v1/webhooks/{webhook_id}/deliveries": lambda _: {},
    "POST /v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend": lambda _: {"json": {}},
    "GET /v1/videos/{video_id}/hls/{playlist}": lambda things: {"params": things.playlist.params},
}
NEED_NOTHING = {"GET /v1/devices/web-push-key"}
NEED_S3 = {
    "POST /v1/uploads/initiate",
    "GET /v1/uploads/{upload_id}",
    "POST /v1/uploads/{upload_id}/complete",
    "GET /v1/videos/{video_id}/hls/{playlist}",
}


def test_every_path_has_its_request() -> None:
    described = {
        f"{verb.upper()} {path}"
        for path, operations in published()["paths"].items()
        for verb in operations
        if path.startswith("/v1/") and verb in {"get", "put", "post", "patch", "delete"}
    }
    assert described == REQUESTS.keys()


@dataclass(frozen=True)
class Answered:
    """What a request got, and after how long."""

    operation: str
    reply: httpx.Response
    text: str
    seconds: float

    @property
    def is_unavailable(self) -> bool:
        """In time, by status and headers; a stream that had begun tells it by its last event."""
        if self.seconds > DEADLINE_SECONDS + SLACK_SECONDS:
            return False
        if self.reply.status_code == 200 and self.reply.headers["content-type"].startswith("text/event-stream"):
            told = [(name, data.get("code")) for name, data in events(self.text)]
            return told == [("error", "UNAVAILABLE")] and "\nretry: " in self.text
        return (
            self.reply.status_code == 503
            and self.reply.headers["content-type"] == "application/problem+json"
            and json.loads(self.text)["code"] == "UNAVAILABLE"
            and int(self.reply.headers["retry-after"]) >= 1
        )

    def __str__(self) -> str:
        return f"{self.operation}: {self.reply.status_code} after {self.seconds:.1f} s: {self.text[:200]}"


def ask(person: Person, operation: str, things: Things) -> Answered:
    verb, _, template = operation.partition(" ")
    video_id = things.published_id if "hls" in template else things.video_id
    path = template.format(
        upload_id=things.upload_id,
        video_id=video_id,
        user_id=things.other_id,
        playlist="master.m3u8",
        device_id=things.device_id,
        webhook_id=things.webhook_id,
        delivery_id=things.delivery_id,
    )
    started = time.monotonic()
    with person.http.stream(verb, path, timeout=30, **REQUESTS[operation](things)) as reply:
        if reply.headers.get("content-type", "").startswith("text/event-stream"):
            text = first_event(reply)
        else:
            text = reply.read().decode()
    return Answered(operation, reply, text, time.monotonic() - started)


def first_event(stream: httpx.Response) -> str:
    """The first event of a stream, without heartbeats."""
    event: list[str] = []
    for line in stream.iter_lines():
        if line and not line.startswith(":"):
            event.append(line)
        elif event:
            break
    return "\n".join(event)


def ask_all(person: Person, operations: set[str], things: Things) -> list[Answered]:
    """All at once, as they come in reality."""
    with ThreadPoolExecutor(len(operations)) as threads:
        return list(threads.map(lambda operation: ask(person, operation, things), sorted(operations)))


def things_of(owner: Person, clip: Path) -> Things:
    """An upload with its part sent, a published video, and a webhook that was tested."""
    shown = owner.upload(clip)
    shown.becomes("READY")
    assert owner.post(f"/v1/videos/{shown.video_id}/publish").status_code == 200
    assets = owner.get(f"/v1/videos/{shown.video_id}").json()["assets"]
    playlist = httpx.URL(next(asset["url"] for asset in assets if asset["kind"] == "HLS"))
    initiated = owner.initiate(1000)
    etag = owner.send(initiated["upload_id"], 1, bytes(1000))
    webhook_id = owner.post("/v1/webhooks", {"url": NOBODY}).json()["webhook"]["webhook_id"]
    delivery_id = owner.post(f"/v1/webhooks/{webhook_id}/test").json()["delivery_id"]
    return Things(
        upload_id=initiated["upload_id"],
        etag=etag,
        video_id=initiated["video_id"],
        published_id=shown.video_id,
        playlist=playlist,
        other_id=str(user_id("somebody")),
        device_id=str(uuid.uuid4()),
        webhook_id=webhook_id,
        delivery_id=delivery_id,
    )


@contextmanager
def held(platform: Stack, server: str) -> Iterator[None]:
    """The server is stopped: connections to it are refused."""
    platform.hold(server)
    try:
        yield
    finally:
        platform.release(server)


@contextmanager
def hanging(platform: Stack, server: str) -> Iterator[None]:
    """The server keeps its connections, accepts new ones, and answers nothing."""
    pid = platform.pid(server)
    assert pid is not None
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in reversed(family):
            os.kill(process.pid, signal.SIGCONT)


def recovers(platform: Stack, owner: Person, things: Things, clip: Path, pids: Mapping[str, int | None]) -> None:
    """Every request is answered again, a clip goes all the way, and no service was started anew."""

    def answered() -> list[Answered] | None:
        replies = ask_all(owner, REQUESTS.keys() - {"DELETE /v1/videos/{video_id}"}, things)
        return replies if all(answer.reply.status_code < 500 for answer in replies) else None

    until(answered, seconds=60, what="every request being answered again")
    owner.upload(clip).becomes("READY", seconds=120)
    assert {name: platform.pid(name) for name in pids} == pids


@pytest.mark.parametrize("away", [held, hanging])
def test_without_postgresql_every_path_is_unavailable_in_time_and_all_is_well_when_it_is_back(
    person: MakePerson, platform: Stack, clip: Path, away: Away
) -> None:
    owner = person("alice")
    things, pids = things_of(owner, clip), {name: platform.pid(name) for name in SERVICES}
    with away(platform, "postgres"):
        first, second = (ask_all(owner, REQUESTS.keys() - NEED_NOTHING, things) for _ in range(2))
        assert [str(answer) for answer in (*first, *second) if not answer.is_unavailable] == []
        assert {answer.reply.status_code for answer in ask_all(owner, NEED_NOTHING, things)} == {200}
    recovers(platform, owner, things, clip, pids)


@pytest.mark.parametrize("away", [held, hanging])
def test_without_s3_what_needs_it_is_unavailable_in_time_the_rest_goes_on_and_all_is_well_when_it_is_back(
    person: MakePerson, platform: Stack, clip: Path, away: Away
) -> None:
    owner = person("alice")
    things, pids = things_of(owner, clip), {name: platform.pid(name) for name in SERVICES}
    with away(platform, "s3"):
        asked = set(REQUESTS) - {"DELETE /v1/videos/{video_id}", "DELETE /v1/uploads/{upload_id}"}
        answers = ask_all(owner, asked, things)
        wrong = [
            str(answer)
            for answer in answers
            if not (answer.is_unavailable if answer.operation in NEED_S3 else answer.reply.status_code < 500)
        ]
        assert wrong == []
    recovers(platform, owner, things, clip, pids)


@dataclass
class Watcher:
    """A client that watches a video and remembers the last event's id, as browsers do."""

    person: Person
    video_id: str
    last_id: str = ""

    @contextmanager
    def connected(self) -> Iterator[Callable[[], dict[str, Any]]]:
        """A connection to the stream; what it yields waits for the next event."""
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        path = f"/v1/videos/{self.video_id}/events"
        with self.person.http.stream("GET", path, headers=headers, timeout=60) as stream:
            assert stream.status_code == 200, stream.read()
            lines = stream.iter_lines()

            def next_event() -> dict[str, Any]:
                event: dict[str, str] = {}
                for line in lines:
                    if line and not line.startswith(":"):
                        name, _, value = line.partition(": ")
                        event[name] = value
                    elif "data" in event:
                        self.last_id = event["id"]
                        return dict(json.loads(event["data"]))
                raise EOFError

            yield next_event


def test_a_watcher_whose_connection_is_cut_goes_on_without_loss_or_repeat(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    etag = alice.send(initiated["upload_id"], 1, bytes(1000))
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    watcher = Watcher(alice, initiated["video_id"])
    with watcher.connected() as next_event:
        assert (next_event()["status"], watcher.last_id) == ("UPLOADING", "2")
        pid = platform.pid("gateway")
        platform.kill("gateway")
        with pytest.raises((httpx.TransportError, EOFError)):
            next_event()
    platform.wait_ready("gateway", other_than=pid)
    platform.hold("media")
    try:
        with watcher.connected() as next_event:
            completed = alice.post(
                f"/v1/uploads/{initiated['upload_id']}/complete", {"parts": [{"part_number": 1, "etag": etag}]}
            )
            assert completed.status_code == 200, completed.text
            assert (next_event()["status"], watcher.last_id) == ("UPLOADED", "3")
        assert alice.delete(f"/v1/videos/{initiated['video_id']}").status_code == 204
        with watcher.connected() as next_event:
            assert (next_event()["status"], watcher.last_id) == ("DELETED", "4")
            with pytest.raises(EOFError):
                next_event()
        path, seen = f"/v1/videos/{watcher.video_id}/events", {"Last-Event-ID": watcher.last_id}
        assert alice.http.get(path, headers=seen).status_code == 204
    finally:
        platform.release("media")


@pytest.mark.parametrize("away", [held, hanging])
def test_a_stream_outlives_postgresqls_absence_and_misses_nothing(
    person: MakePerson, platform: Stack, away: Away
) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    etag = alice.send(initiated["upload_id"], 1, bytes(1000))
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    watcher = Watcher(alice, initiated["video_id"])
    platform.hold("media")
    try:
        with watcher.connected() as next_event:
            assert next_event()["status"] == "UPLOADING"
            with away(platform, "postgres"):
                unavailable = alice.post(f"/v1/uploads/{initiated['upload_id']}/complete")
                assert unavailable.status_code == 503, unavailable.text
            until(
                lambda: (
                    alice.post(
                        f"/v1/uploads/{initiated['upload_id']}/complete",
                        {"parts": [{"part_number": 1, "etag": etag}]},
                    ).status_code
                    == 200
                    or None
                ),
                seconds=30,
                what="the upload being completed",
            )
            assert (next_event()["status"], watcher.last_id) == ("UPLOADED", "3")
    finally:
        platform.release("media")


def test_a_stream_opened_while_postgresql_hangs_tells_when_to_come_again_and_is_resumed(
    person: MakePerson, platform: Stack
) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    etag = alice.send(initiated["upload_id"], 1, bytes(1000))
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    watcher = Watcher(alice, initiated["video_id"])
    with watcher.connected() as next_event:
        assert next_event()["status"] == "UPLOADING"
    platform.hold("media")
    try:
        seen = {"Last-Event-ID": watcher.last_id}
        with hanging(platform, "postgres"):
            failed = alice.http.get(f"/v1/videos/{watcher.video_id}/events", headers=seen, timeout=30)
        assert failed.status_code == 200, "the stream began before anything was known"
        [(name, problem)] = events(failed.text)
        assert (name, problem["code"]) == ("error", "UNAVAILABLE")
        fields = dict(re.findall(r"^(\w+): (.*)$", failed.text, re.MULTILINE))
        assert int(fields["retry"]) > 0
        assert "id" not in fields
        complete = f"/v1/uploads/{initiated['upload_id']}/complete"
        until(
            lambda: alice.post(complete, {"parts": [{"part_number": 1, "etag": etag}]}).status_code == 200 or None,
            seconds=30,
            what="the upload being completed",
        )
        becomes(alice, watcher.video_id, "UPLOADED", seconds=30)
        with watcher.connected() as next_event:
            assert (next_event()["status"], watcher.last_id) == ("UPLOADED", "3")
    finally:
        platform.release("media")
