"""The Python client says and expects what `/openapi.json` describes: methods, fields, statuses and codes."""

import ast
import json
import runpy
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

from nextplay_client import AsyncClient, errors, gateway
from nextplay_client.preflight import verdict
from nextplay_client.uploading import upload
from tests.openapi import operation, published

Json = dict[str, Any]
PYTHON = Path(__file__).parents[2] / "clients" / "python"
SOURCES = PYTHON / "src" / "nextplay_client"
CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts.md"
ID, OTHER = "01a20654-8240-7547-aab2-c6fb55154b74", "01a20654-8240-7547-aab2-c6fb55154b75"
# A player follows the URL of a playlist, and the client signs parts in batches.
NOT_NEEDED = {"GetPlaylist", "PresignPart"}

Call = Callable[[AsyncClient], Awaitable[object] | AsyncIterator[object]]

CALLS: dict[str, list[Call]] = {
    "ListUploads": [lambda c: c.uploads.list(fingerprint="f")],
    "GetUpload": [lambda c: c.uploads.get(ID)],
    "AbortUpload": [lambda c: c.uploads.abort(ID)],
    "GetVideo": [lambda c: c.video(ID)],
    "GetVideoStatus": [lambda c: c.status(ID, min_sequence=3)],
    "WatchVideo": [lambda c: c.watch(ID, after_sequence=3)],
    "GetVideoTimeline": [lambda c: c.timeline(ID)],
    "UpdateVideo": [
        lambda c: c.update(ID, title="t", description="d", category="sports", visibility="private"),
    ],
    "PublishVideo": [lambda c: c.publish(ID, visibility="unlisted", notify_followers=False, when_ready=True)],
    "RetryVideo": [lambda c: c.retry(ID)],
    "DeleteVideo": [lambda c: c.delete(ID)],
    "ListVideos": [lambda c: c.videos(status="READY", category="sports")],
    "ListUserVideos": [lambda c: c.user_videos(ID)],
    "GetFeed": [lambda c: c.feed()],
    "DiscoverVideos": [lambda c: c.discover(category="sports")],
    "FollowUser": [lambda c: c.follow(ID)],
    "UnfollowUser": [lambda c: c.unfollow(ID)],
    "ListFollowers": [lambda c: c.followers(ID)],
    "ListFollowing": [lambda c: c.following(ID)],
    "ListNotifications": [
        lambda c: c.notifications.list(unread_only=True),
        lambda c: c.notifications.page(page_size=5, page_token="t", unread_only=True),
    ],
    "WatchNotifications": [lambda c: c.notifications.watch(after_sequence=3)],
    "MarkRead": [
        lambda c: c.notifications.mark_read([ID]),
        lambda c: c.notifications.mark_read(until="2026-01-02T03:04:05Z"),
    ],
    "GetPreferences": [lambda c: c.notifications.preferences()],
    "ReplacePreferences": [
        lambda c: c.notifications.replace_preferences(
            [{"kind": "video_ready", "channel": "in_app", "enabled": False}], muted_author_ids=[OTHER]
        ),
        lambda c: c.notifications.replace_preferences(),
    ],
    "ListDevices": [lambda c: c.devices.list()],
    "RegisterDevice": [
        lambda c: c.devices.register_browser(ID, endpoint="https://push.example.com/1", p256dh="B" * 87, auth="a" * 22),
        lambda c: c.devices.register_fcm(ID, token="t" * 40),
        lambda c: c.devices.register_apns(ID, token="0f" * 32),
    ],
    "RemoveDevice": [lambda c: c.devices.remove(ID)],
    "GetWebPushKey": [lambda c: c.devices.web_push_key()],
    "CreateWebhook": [lambda c: c.webhooks.create("https://example.com", event_types=["video.ready"], description="d")],
    "ListWebhooks": [lambda c: c.webhooks.list()],
    "GetWebhook": [lambda c: c.webhooks.get(ID)],
    "ReplaceWebhook": [
        lambda c: c.webhooks.replace(
            ID, url="https://example.com", event_types=["video.ready"], description="d", enabled=False
        )
    ],
    "DeleteWebhook": [lambda c: c.webhooks.delete(ID)],
    "RotateWebhookSecret": [lambda c: c.webhooks.rotate_secret(ID)],
    "ListWebhookDeliveries": [lambda c: c.webhooks.deliveries(ID)],
    "ResendWebhookDelivery": [lambda c: c.webhooks.resend(ID, OTHER)],
    "TestWebhook": [lambda c: c.webhooks.test(ID)],
}
# These are called by Client.upload.
BY_UPLOAD = {"InitiateUpload", "PresignParts", "CompleteUpload"}


class Described:
    """Answers every request as the document describes it, and refuses what it does not describe."""

    def __init__(self) -> None:
        self.document = published()
        self.said: dict[str, set[str]] = {}

    async def answer(self, request: httpx.Request) -> httpx.Response:
        """In place of the network."""
        if request.url.host == "s3.test":
            await request.aread()
            return httpx.Response(200, headers={"etag": '"e"'}, request=request)
        described = operation(request.method, request.url.path, self.document)
        said = self.said.setdefault(described["operationId"], set())
        known = {parameter["name"] for parameter in map(self._resolved, described["parameters"])}
        assert set(request.url.params) <= known, f"{request.url}: described are {known}"
        said |= set(request.url.params) | ({"Last-Event-ID"} if "last-event-id" in request.headers else set())
        if request.method == "POST":
            assert request.headers["idempotency-key"]
        if body := await request.aread():
            schema = described["requestBody"]["content"]["application/json"]["schema"]
            jsonschema_rs.validator_for(schema | {"components": self.document["components"]}).validate(json.loads(body))
            said |= set(json.loads(body))
        return self._reply(described, request)

    def wanted(self, name: str) -> set[str]:
        """All that may be said in an operation's query and body."""
        (described,) = (
            described
            for operations in self.document["paths"].values()
            for described in operations.values()
            if described["operationId"] == name
        )
        parameters = map(self._resolved, described["parameters"])
        named = {parameter["name"] for parameter in parameters if parameter["in"] == "query"}
        if "requestBody" in described:
            named |= set(
                self._resolved(described["requestBody"]["content"]["application/json"]["schema"])["properties"]
            )
        return named

    def _reply(self, described: Json, request: httpx.Request) -> httpx.Response:
        if "200" not in described["responses"]:
            return httpx.Response(204, request=request)
        ((media, content),) = described["responses"]["200"]["content"].items()
        told = self._sample(content["schema"])
        body = f"data: {json.dumps(told)}\n\n" if media == "text/event-stream" else json.dumps(told)
        return httpx.Response(200, headers={"content-type": media}, content=body, request=request)

    def _sample(self, schema: Json, name: str = "") -> Any:
        """What such a schema allows, with all fields."""
        schema = self._resolved(schema)
        if name == "next_page_token":
            return ""
        if "enum" in schema:
            return schema["enum"][0]
        match schema["type"]:
            case "object":
                return {key: self._sample(field, key) for key, field in schema["properties"].items()}
            case "array":
                return [self._sample(schema["items"])]
            case "string":
                urls = {"presigned_url": "http://s3.test/part"}
                return "2026-01-02T03:04:05Z" if schema.get("format") == "date-time" else urls.get(name, "x")
            case "boolean":
                return True
        return 1

    def _resolved(self, schema: Json) -> Json:
        if "$ref" not in schema:
            return schema
        found: Json = self.document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Described:
    """In place of every HTTP connection."""
    described = Described()
    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", described.answer)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return described


async def made(call: Awaitable[object] | AsyncIterator[object]) -> object:
    """The result of a call, or its first entry."""
    if isinstance(call, AsyncIterator):
        async for entry in call:
            return entry
        return None
    return await call


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_says_what_is_described_and_may_say_all_of_it(name: str, described: Described) -> None:
    async with AsyncClient("https://gateway.test", "token") as client:
        for call in CALLS[name]:
            await made(call(client))
    paging = {"page_size", "page_token"}
    after = {"Last-Event-ID"} if "after_sequence" in described.wanted(name) else set()
    wanted = described.wanted(name) - {"after_sequence"} | after
    assert set(described.said) == {name}
    assert described.said[name] | paging >= wanted


async def test_an_upload_says_what_is_described_and_may_say_all_of_it(described: Described, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    async with AsyncClient("https://gateway.test", "token") as client:
        for resume in (True, False):
            await client.upload(
                clip,
                title="t",
                category="sports",
                description="d",
                visibility="private",
                video_id=ID,
                preflight=False,
                resume=resume,
            )
    assert set(described.said) == BY_UPLOAD | {"ListUploads", "GetUpload", "UpdateVideo"}
    for name in BY_UPLOAD:
        assert described.said[name] == described.wanted(name)


def test_every_operation_has_a_method() -> None:
    described = {operation["operationId"] for path in published()["paths"].values() for operation in path.values()}
    assert described == {*CALLS, *BY_UPLOAD, *NOT_NEEDED}


def test_every_status_that_is_described_has_an_exception() -> None:
    operations = [operation for path in published()["paths"].values() for operation in path.values()]
    described = {int(status) for operation in operations for status in operation["responses"]}
    assert {status for status in described if status >= 400} == set(errors.BY_STATUS)


def test_an_exception_has_what_a_problem_tells() -> None:
    fields = {"code", "detail", "next_action", "trace_id", "status"}
    assert fields | {"type", "title", "errors"} == set(published()["components"]["schemas"]["Problem"]["properties"])
    problem = dict.fromkeys(fields, "x") | {"errors": [{"field": "f", "message": "m"}]}
    error = errors.ApiError.of(httpx.Response(404, json=problem))
    assert (error.code, error.detail, error.next_action, error.trace_id) == ("x", "x", "x", "x")
    assert error.fields == (errors.FieldError("f", "m"),)


def test_every_code_that_the_client_knows_is_one_of_the_platforms() -> None:
    told = CONTRACTS.read_text()
    own = {
        node.value
        for path in SOURCES.glob("preflight/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isupper() and "_" in node.value
    }
    known = {gateway.IN_FLIGHT, *upload.OVER, *upload.NOT_WHAT_WAS_SENT, *own, "CORRUPT"}
    assert {"DURATION_TOO_LONG", "CODEC_UNSUPPORTED", "NOT_A_VIDEO", "NO_VIDEO_TRACK", "FILE_TOO_LARGE"} <= own
    assert {code for code in known if f"`{code}`" not in told} == set()


def test_the_limits_of_the_preflight_are_those_of_the_platform() -> None:
    size = published()["components"]["schemas"]["InitiateUploadRequest"]["properties"]["file_size_bytes"]
    assert size["maximum"] == verdict.MOST_BYTES
    assert f"{verdict.MOST_MILLISECONDS:,} ms" in CONTRACTS.read_text()


@pytest.mark.parametrize("package", ["types", "sync"])
def test_what_is_made_is_made_of_what_is_there_now(package: str) -> None:
    make = runpy.run_path(str(PYTHON / "generate" / f"make_{package}.py"))[f"make_{package}"]
    files = make(published()) if package == "types" else make()
    there = {path.name: path.read_text() for path in (SOURCES / package).glob("*.py")}
    assert {name: _code(text) for name, text in files.items()} == {name: _code(text) for name, text in there.items()}


def _code(text: str) -> str:
    return ast.unparse(ast.parse(text))
