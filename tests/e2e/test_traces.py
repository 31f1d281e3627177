"""One clip on a platform of its own that tells a collector what it does: one trace from the client's request to the
browser and the program that are told, and nothing in it that a person wrote or is called by."""

import secrets
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from push_receivers import Browser

from deploy.local.identity import user_id
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from tests.e2e.otlp import Collector, Span, collecting
from tests.e2e.people import Person, Uploaded, make_clip, until

TITLE, DESCRIPTION, FILENAME = "Zanzibar sunrise", "Filmed by quixotic-anna@example.org", "wedding-of-anna.mp4"
PLACE = "somewhere-private"
"""In the paths of the addresses at which people are told."""


@dataclass
class Story:
    """What was done, and what the collector was told of it."""

    collector: Collector
    alice: Person
    uploaded: Uploaded
    upload_trace: str
    publish_trace: str
    client_span: str
    words: list[str] = field(repr=False)

    def trace(self) -> Mapping[str, Span]:
        return self.collector.of_trace(self.upload_trace)

    def way_to(self, span: Span) -> list[Span]:
        """The spans from the client's request to this one."""
        trace, way = self.collector.of_trace(span.trace_id), [span]
        while parent := trace.get(way[0].parent_id):
            way.insert(0, parent)
        return way


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with ExitStack() as opened:
        collector = opened.enter_context(collecting())
        platform = opened.enter_context(_telling(collector))
        told_at = opened.enter_context(_receiver())
        alice, bob = (opened.enter_context(_person(platform, name)) for name in ("alice", "bob"))
        browsers = [Browser().keys, Browser().keys]
        for one, keys in zip((alice, bob), browsers, strict=True):
            endpoint = f"{told_at}/push/{PLACE}-{one.user_id}"
            subscription = {"endpoint": endpoint, "p256dh": keys.p256dh, "auth": keys.auth}
            device = one.http.put(f"/v1/devices/{uuid.uuid4()}", json={"web_push": subscription})
            assert device.status_code == 200, device.text
        secret = alice.post("/v1/webhooks", {"url": f"{told_at}/hooks/{PLACE}"}).json()["secret"]
        assert bob.put(f"/v1/users/{alice.user_id}/follow").status_code == 204

        client_span = secrets.token_hex(8)
        upload_trace, publish_trace = secrets.token_hex(16), secrets.token_hex(16)
        alice.http.headers["traceparent"] = f"00-{upload_trace}-{client_span}-01"
        clip = make_clip(tmp_path_factory.mktemp("traces") / "clip.mp4", seconds=3)
        uploaded = alice.upload(clip, title=TITLE, description=DESCRIPTION, filename=FILENAME)
        del alice.http.headers["traceparent"]
        uploaded.becomes("READY")
        alice.http.headers["traceparent"] = f"00-{publish_trace}-{client_span}-01"
        assert alice.post(f"/v1/videos/{uploaded.video_id}/publish").status_code == 200

        tokens = [str(one.http.headers["authorization"]).removeprefix("Bearer ") for one in (alice, bob)]
        keys_of_browsers = [text for keys in browsers for text in (keys.auth, keys.p256dh)]
        words = [TITLE, DESCRIPTION, "quixotic-anna", FILENAME, PLACE, secret, *keys_of_browsers, *tokens]
        story = Story(collector, alice, uploaded, upload_trace, publish_trace, client_span, words)
        until(lambda: len(_asked(story)) >= 2 or None, seconds=30, what="the spans of what the owner is told")
        until(lambda: not _strays(story) or None, seconds=30, what="each span's parent")
        until(lambda: _told(story), seconds=30, what="the spans of what the follower is told")
        yield story


@contextmanager
def _telling(collector: Collector) -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as environment, tempfile.TemporaryDirectory(prefix="nextplay-test-") as directory:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "500")
        start(Path(directory), with_parent=True)
        try:
            yield attach(Path(directory))
        finally:
            stop(Path(directory))


@contextmanager
def _receiver() -> Iterator[str]:
    """A server that takes whatever it is sent; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextmanager
def _person(platform: Stack, name: str) -> Iterator[Person]:
    headers = {"Authorization": f"Bearer {platform.issuer.user_token(name, 'free')}"}
    with httpx.Client(base_url=platform.gateway, headers=headers, timeout=20, trust_env=False) as http:
        yield Person(str(user_id(name)), http)


def _asked(story: Story) -> list[Span]:
    """The requests by which somebody was told, in the upload's trace."""
    return [one for one in story.trace().values() if one.kind == "CLIENT" and one.name == "POST"]


def _told(story: Story) -> list[Span] | None:
    """The pages of followers that were told of the publication, once what they led to has come too."""
    pages = [one for one in story.collector.spans[:] if one.name == "tell followers"]
    ended = {one.trace_id for one in story.collector.spans[:] if one.kind == "CLIENT" and one.name == "POST"}
    return pages if pages and all(page.trace_id in ended for page in pages) else None


def _strays(story: Story) -> list[Span]:
    """Spans of the upload's trace whose parent is neither there nor the client's."""
    trace = story.trace()
    return [one for one in trace.values() if one.parent_id not in trace and one.parent_id != story.client_span]


def _hops(way: list[Span]) -> list[tuple[str, str, str]]:
    return [(one.process, one.kind, one.name) for one in way]


UPLOADS, JOBS, VIDEOS = "nextplay.upload.events.v1", "nextplay.media.events.v1", "nextplay.catalog.events.v1"


def test_one_trace_leads_from_the_request_to_each_who_is_told(story: Story) -> None:
    assert not _strays(story)
    ways = [_hops(story.way_to(one)) for one in _asked(story)]
    complete = "nextplay.upload.v1.UploadService/CompleteUpload"
    for channel in ("web_push", "webhooks"):
        [way] = [way for way in ways if channel in way[-2][2]]
        assert way == [
            ("gateway", "SERVER", "POST /v1/uploads/{upload_id}/complete"),
            ("gateway", "CLIENT", complete),
            ("upload", "SERVER", complete),
            ("upload", "PRODUCER", f"send {UPLOADS}"),
            ("media", "CONSUMER", f"process {UPLOADS}"),
            ("media-worker", "INTERNAL", "transcode"),
            ("media-worker", "PRODUCER", f"send {JOBS}"),
            ("catalog", "CONSUMER", f"process {JOBS}"),
            ("catalog", "PRODUCER", f"send {VIDEOS}"),
            ("notify", "CONSUMER", f"process {VIDEOS}"),
            ("notify", "INTERNAL", way[-2][2]),
            ("notify", "CLIENT", "POST"),
        ]


def test_what_a_worker_runs_has_spans_with_tool_renditions_and_exit_code(story: Story) -> None:
    runs = {one.name: one for one in story.trace().values() if one.process == "media-worker"}
    assert {"probe", "transcode", "ffmpeg encode", "ffmpeg package"} <= runs.keys()
    for name in ("ffmpeg encode", "ffmpeg package"):
        assert [one.name for one in story.way_to(runs[name])][-2:] == ["transcode", name]
        assert runs[name].attributes["process.executable.name"] == "ffmpeg"
        assert runs[name].attributes["process.exit.code"] == 0
        assert runs[name].attributes["nextplay.renditions"] == ["720p", "240p"]


def test_calls_and_messages_are_told_by_the_semantic_conventions(story: Story) -> None:
    trace = story.trace().values()
    calls = [one for one in trace if "rpc.method" in one.attributes and not one.name.startswith("S3")]
    assert {one.kind for one in calls} == {"CLIENT", "SERVER"}
    assert {one.attributes["rpc.system.name"] for one in calls} == {"grpc"}
    assert {one.attributes["rpc.response.status_code"] for one in calls} == {"OK"}
    between = [one for one in calls if one.kind == "CLIENT" and one.process != "gateway"]
    assert between, "services call each other too"

    messages = [one for one in trace if one.kind in ("PRODUCER", "CONSUMER")]
    for one in messages:
        operation = "send" if one.kind == "PRODUCER" else "process"
        told: Mapping[str, Any] = one.attributes
        assert told["messaging.system"] == "kafka"
        assert told["messaging.operation.type"] == told["messaging.operation.name"] == operation
        assert one.name == f"{operation} {told['messaging.destination.name']}"
        assert uuid.UUID(told["messaging.message.id"])
        assert told["messaging.destination.partition.id"].isdigit()
        assert told["messaging.kafka.offset"] >= 0
        if one.kind == "CONSUMER":
            assert told["messaging.consumer.group.name"] == one.process
    for one in _asked(story):
        assert (one.attributes["http.request.method"], one.attributes["http.response.status_code"]) == ("POST", 201)
    [request] = [one for one in trace if one.name == "POST /v1/uploads/{upload_id}/complete"]
    assert request.attributes["http.route"] == "/v1/uploads/{upload_id}/complete"
    assert request.attributes["http.response.status_code"] == 200


def test_every_span_knows_its_video_and_those_of_the_upload_the_upload(story: Story) -> None:
    for asked in _asked(story):
        way = story.way_to(asked)
        assert {one.attributes["nextplay.upload_id"] for one in way} == {story.uploaded.upload_id}
        behind_kafka = way[3:]
        assert {one.attributes["nextplay.video_id"] for one in behind_kafka} == {story.uploaded.video_id}


def test_a_page_of_followers_is_a_trace_of_its_own_with_a_link(story: Story) -> None:
    [page] = _told(story) or []
    publication = story.collector.of_trace(story.publish_trace)
    assert page.trace_id != story.publish_trace
    [(trace_id, span_id)] = page.links
    assert trace_id == story.publish_trace
    assert publication[span_id].name == f"process {VIDEOS}"
    assert page.attributes["nextplay.video_id"] == story.uploaded.video_id
    [asked] = [one for one in story.collector.of_trace(page.trace_id).values() if one.name == "POST"]
    assert story.way_to(asked)[0] == page


def test_a_page_of_feeds_is_a_trace_of_its_own_with_a_link(story: Story) -> None:
    def updated() -> Span | None:
        return next((one for one in story.collector.spans[:] if one.name == "update feeds"), None)

    page = until(updated, seconds=30, what="the span of the follower's feed")
    assert not page.parent_id
    [(trace_id, span_id)] = page.links
    publication = story.collector.of_trace(story.publish_trace)
    assert (trace_id, publication[span_id].name) == (story.publish_trace, f"process {VIDEOS}")
    assert publication[span_id].process == page.process == "catalog"
    assert page.attributes["nextplay.video_id"] == story.uploaded.video_id


def test_nothing_failed_and_no_look_for_work_is_a_trace(story: Story) -> None:
    spans = story.collector.spans[:]
    assert [one for one in story.trace().values() if one.failed] == []
    of_loops = {one.name for one in spans if not one.parent_id and one.process != "gateway"}
    known = ("tell followers", "update feeds", "relay ", "look again", "write attempts", "nextplay.", "job ", "S3")
    assert {name for name in of_loops if not name.startswith(known)} == set()


def test_no_span_holds_what_a_person_wrote_or_is_called_by(story: Story) -> None:
    told = [one.text for one in story.collector.spans]
    assert len(told) > 50
    for word in [*story.words, "X-Amz-", "eyJ", "Bearer", "127.0.0.", "@", ".mp4", "/push/", "/hooks/"]:
        assert [text for text in told if word in text] == [], word
