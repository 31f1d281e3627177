"""Requests over HTTP: what reaches the service and what is refused before it."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from gateway import server
from tests.gateway_world import World, gateway_world
from tests.openapi import assert_matches_openapi

ANNOUNCEMENT = {
    "title": "My Video",
    "category": "sports",
    "visibility": "public",
    "filename": "video.mp4",
    "content_type": "video/mp4",
    "file_size_bytes": 45678901,
}
MIB = 1024 * 1024
LIMIT_SECONDS = 20


@pytest_asyncio.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with gateway_world() as opened:
        yield opened


def assert_refused(answer: httpx.Response, field: str, *told: str) -> None:
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (400, "INVALID_ARGUMENT"), answer.text
    found = [wrong["message"] for wrong in problem["errors"] if wrong["field"] == field]
    assert found, f"{field} is not named: {problem['errors']}"
    for words in told:
        assert words in found[0]
        assert words in problem["detail"] or len(problem["errors"]) > 3
    assert_matches_openapi(answer)


async def test_the_fields_of_body_and_path_make_one_message(world: World) -> None:
    requests = world.replies("PresignPart", part_number=3, expires_at={"seconds": 1})
    answer = await world.http.post(
        "/v1/uploads/abc/parts/presign", json={"part_number": 3, "content_length": 157286400}
    )
    assert answer.status_code == 200, answer.text
    assert (requests[0].upload_id, requests[0].part_number) == ("abc", 3)
    assert requests[0].content_length == 157_286_400
    assert not requests[0].HasField("checksum_sha256")
    assert_matches_openapi(answer)


async def test_a_query_makes_a_message(world: World) -> None:
    requests = world.replies("ListUploads")
    answer = await world.http.get("/v1/uploads", params={"fingerprint": "ä b&c=d", "page_size": "007".lstrip("0")})
    assert answer.status_code == 200
    assert (requests[0].fingerprint, requests[0].page_size) == ("ä b&c=d", 7)
    assert_matches_openapi(answer)


async def test_booleans_and_words_of_enums_travel_in_a_query(world: World) -> None:
    notified, listed = world.replies("ListNotifications"), world.replies("ListVideos")
    await world.http.get("/v1/notifications?unread_only=true")
    await world.http.get("/v1/videos?status=READY&category=sports")
    assert notified[0].unread_only is True
    assert listed[0].status == 5


async def test_a_percent_encoded_path_parameter_is_decoded(world: World) -> None:
    requests = world.replies("GetUpload", expires_at={}, created_at={}, server_time={}, status=1)
    answer = await world.http.get("/v1/uploads/%C3%A4%20b")
    assert requests[0].upload_id == "ä b"
    assert_matches_openapi(answer)


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"title": None}, "title", ["null", "string"]),
        ({"title": 12}, "title", ["12", "string"]),
        ({"file_size_bytes": "12"}, "file_size_bytes", ['"12"', "integer"]),
        ({"file_size_bytes": 1.5}, "file_size_bytes", ["1.5", "integer"]),
        ({"file_size_bytes": True}, "file_size_bytes", ["true", "integer"]),
        ({"file_size_bytes": -1}, "file_size_bytes", ["must be 1 to ", " bytes, is -1 bytes"]),
        ({"file_size_bytes": -1e30}, "file_size_bytes", ["must be 1 to "]),
        ({"file_size_bytes": 2**64}, "file_size_bytes", [f"must be 1 to 157,286,400 bytes, is {2**64:,} bytes"]),
        ({"file_size_bytes": 10**400}, "file_size_bytes", ["must be 1 to 157,286,400 bytes, is 1"]),
        ({"title": ""}, "title", ["must have 1 to 80 characters, has 0 characters"]),
        ({"title": "x" * 10_000}, "title", ["must have 1 to 80 characters, has 10,000 characters"]),
        ({"title": "e\u0301" * 10_000}, "title", ["must have 1 to 80 characters, has 20,000 code points"]),
        ({"video_id": "abc"}, "video_id", ["must be a UUID", 'is "abc"']),
        ({"visibility": "hidden"}, "visibility", ['must be one of public, unlisted, private, is "hidden"']),
        ({"visibility": "VISIBILITY_UNSPECIFIED"}, "visibility", ["VISIBILITY_UNSPECIFIED", "public"]),
        ({"visibility": 1}, "visibility", ["1"]),
        ({"videoId": "x"}, "videoId", ["unknown", "video_id"]),
        ({"fileSizeBytes": 1}, "fileSizeBytes", ["unknown", "file_size_bytes"]),
        ({"tags": ["a"]}, "tags", ["unknown"]),
        ({"": 1}, "", ["unknown"]),
    ],
)
async def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(
    world: World, change: dict[str, Any], field: str, told: list[str]
) -> None:
    requests = world.replies("InitiateUpload")
    answer = await world.http.post("/v1/uploads/initiate", json=ANNOUNCEMENT | change)
    assert_refused(answer, field, *told)
    assert not requests


@pytest.mark.parametrize("missing", ["title", "category", "filename", "content_type", "file_size_bytes"])
async def test_a_missing_field_is_named(world: World, missing: str) -> None:
    body = {name: value for name, value in ANNOUNCEMENT.items() if name != missing}
    assert_refused(await world.http.post("/v1/uploads/initiate", json=body), missing, "required")


async def test_a_wrong_value_within_a_list_is_named_by_its_place(world: World) -> None:
    parts = [{"part_number": 1, "etag": "a"}, {"part_number": "2"}]
    answer = await world.http.post("/v1/uploads/abc/complete", json={"parts": parts})
    assert_refused(answer, "parts[1].etag", "required")
    assert_refused(answer, "parts[1].part_number", '"2"')


async def test_an_empty_list_is_not_an_absent_one(world: World) -> None:
    requests = world.replies("CompleteUpload", status=3)
    assert_refused(await world.http.post("/v1/uploads/abc/complete", json={"parts": []}), "parts", "leave it out")
    assert (await world.http.post("/v1/uploads/abc/complete", json={})).status_code == 200
    assert len(requests) == 1


async def test_an_empty_list_where_one_is_asked_for_is_told_how_many_it_has(world: World) -> None:
    answer = await world.http.post("/v1/uploads/abc/parts/presign-batch", json={"parts": []})
    assert_refused(answer, "parts", "must have 1 to 30 entries, has 0 entries")


async def test_a_field_of_the_path_is_not_taken_from_the_body(world: World) -> None:
    answer = await world.http.post("/v1/uploads/abc/complete", json={"upload_id": "other"})
    assert_refused(answer, "upload_id", "unknown", "parts")


async def test_a_wrong_time_is_refused(world: World) -> None:
    requests = world.replies("MarkRead")
    for wrong in ("yesterday", "2025-13-01T00:00:00Z", "2025-12-25"):
        assert_refused(await world.http.post("/v1/notifications/read", json={"until": wrong}), "until", wrong)
    leap = await world.http.post("/v1/notifications/read", json={"until": "2016-12-31T23:59:60Z"})
    assert_refused(leap, "until", "has the form of its type and no value of it", "23:59:60Z")
    right = await world.http.post("/v1/notifications/read", json={"until": "2025-12-25T12:00:00.5+01:00"})
    assert right.status_code == 200
    assert requests[0].until.ToJsonString() == "2025-12-25T11:00:00.500Z"


async def test_a_very_long_value_does_not_fill_the_answer(world: World) -> None:
    answer = await world.http.post("/v1/uploads/initiate", json=ANNOUNCEMENT | {"visibility": "x" * 500_000})
    assert_refused(answer, "visibility", "private")
    many = {f"{'n' * 1000}{number}": 1 for number in range(500)}
    flood = await world.http.post("/v1/uploads/initiate", json=ANNOUNCEMENT | many)
    assert len(answer.content) < 2000
    assert len(flood.content) < 20_000
    assert len(flood.json()["errors"]) == 20


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"12", b"null", b"true"])
async def test_a_body_that_is_no_object_is_refused(world: World, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.http.post("/v1/uploads/initiate", content=body, headers=headers)
    assert_refused(answer, "", "object")


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": "\\ud800"}',
        b'{"title": "a\\u0000b"}',
        b'{"title": "\xff"}',
        b'{"\\udfff": 1}',
        b"[" * 200 + b"]" * 200,
        b'{"title":' * 50_000,
        b'{"title": NaN}',
        b'{"title": "a", "title": "b"}',
        b'{"file_size_bytes": 1e999}',
        b"{",
    ],
)
async def test_a_hostile_body_is_a_clean_refusal(world: World, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await world.http.post("/v1/uploads/initiate", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ARGUMENT"), answer.text
    assert_matches_openapi(answer)


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("page_size=abc", "page_size", ['"abc"', "integer"]),
        ("page_size=", "page_size", ['""', "integer"]),
        ("page_size=+1", "page_size", ["integer"]),
        ("page_size=01", "page_size", ["integer"]),
        ("page_size=1.0", "page_size", ["integer"]),
        ("page_size=1_0", "page_size", ["integer"]),
        ("page_size=%D9%A3", "page_size", ["integer"]),
        ("page_size=-1", "page_size", ["must be 1 to 100, is -1"]),
        ("page_size=4294967296", "page_size", ["must be 1 to 100, is 4,294,967,296"]),
        ("page_size=1&page_size=1", "page_size", ["twice"]),
        ("pageSize=1", "pageSize", ["unknown", "page_size"]),
        ("fingerprint=a&x=1", "x", ["unknown", "fingerprint"]),
    ],
)
async def test_a_wrong_parameter_is_named(world: World, query: str, field: str, told: list[str]) -> None:
    assert_refused(await world.http.get(f"/v1/uploads?{query}"), field, *told)


@pytest.mark.parametrize("url", ["/v1/uploads?fingerprint=%00", "/v1/uploads?fingerprint=%FF", "/v1/uploads/a%00b"])
async def test_what_no_text_can_hold_is_refused_in_urls(world: World, url: str) -> None:
    assert (await world.http.get(url)).status_code == 400


async def test_a_path_parameter_is_not_a_query_parameter(world: World) -> None:
    assert_refused(await world.http.get("/v1/uploads/abc?upload_id=other"), "upload_id", "unknown")


async def test_a_body_or_a_query_where_none_belongs_is_refused(world: World) -> None:
    world.replies("GetUpload"), world.replies("AbortUpload"), world.replies("CompleteUpload")
    headers = {"Content-Type": "application/json"}
    for verb in ("GET", "DELETE"):
        answer = await world.http.request(verb, "/v1/uploads/abc", content=b"{}", headers=headers)
        assert answer.status_code == 400
        assert "no body" in answer.json()["detail"]
    answer = await world.http.post("/v1/uploads/abc/complete?parts=1", json={})
    assert answer.status_code == 400
    assert "no query" in answer.json()["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        'Application/JSON;charset="UTF-8"',
        "application/json ; charset=utf-8",
    ],
)
async def test_json_in_utf_8_is_accepted_however_it_is_spelt(world: World, content_type: str) -> None:
    world.replies("CompleteUpload", status=3)
    answer = await world.http.post("/v1/uploads/abc/complete", content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/jsonp"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_another_content_type_is_refused(world: World, headers: dict[str, str]) -> None:
    answer = await world.http.post("/v1/uploads/abc/complete", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "UNSUPPORTED_CONTENT_TYPE")
    assert "application/json" in answer.json()["detail"]
    assert_matches_openapi(answer)


async def test_an_empty_body_counts_as_an_empty_object(world: World) -> None:
    world.replies("CompleteUpload", status=3)
    assert (await world.http.post("/v1/uploads/abc/complete")).status_code == 200
    assert_refused(await world.http.post("/v1/uploads/initiate"), "title", "required")


async def test_a_body_of_exactly_the_limit_is_read(world: World) -> None:
    world.replies("InitiateUpload")
    frame = len('{"title":""}')
    headers = {"Content-Type": "application/json"}
    at_limit = b'{"title":"' + b"a" * (MIB - frame) + b'"}'
    answer = await world.http.post("/v1/uploads/initiate", content=at_limit, headers=headers)
    assert answer.status_code == 400
    over = await world.http.post("/v1/uploads/initiate", content=at_limit + b" ", headers=headers)
    assert (over.status_code, over.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert "1,048,577 bytes" in over.json()["detail"]
    assert "1,048,576 bytes" in over.json()["detail"]
    assert_matches_openapi(over)


@pytest.mark.parametrize("size", [2 * MIB, 40 * MIB])
@pytest.mark.parametrize("chunked", [False, True], ids=["content-length", "chunked"])
async def test_a_body_beyond_the_limit_is_answered_and_not_kept(world: World, size: int, chunked: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 65536):
            yield b"x" * 65536

    headers = {"Content-Type": "application/json"} | ({} if chunked else {"Content-Length": str(size)})
    answer = await world.http.post("/v1/uploads/initiate", content=chunks(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    world.replies("GetUpload")
    assert (await world.http.get("/v1/uploads/abc")).status_code == 200


async def test_an_unknown_path_is_a_problem(world: World) -> None:
    for path in ("/", "/v1", "/v1/uploads/", "/v1/nothing", "/V1/uploads", "/v1/uploads/a/b/c"):
        answer = await world.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "PATH_NOT_FOUND"), path
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_wrong_verb_names_all_that_the_path_takes(world: World) -> None:
    answer = await world.http.put("/v1/videos/abc", json={})
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH"
    assert "PUT" in answer.json()["detail"]
    answer = await world.http.get("/v1/uploads/initiate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST"), "this is no upload's id"
    for verb in ("OPTIONS", "PROPFIND"):
        assert (await world.http.request(verb, "/v1/feed")).status_code == 405


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "is 0 characters long"),
        ("x" * 256, "is 256 characters long"),
        ("1-ключ".encode(), "has a character outside ASCII (byte 0xD0) at position 3"),
        ("é".encode() * 200, "has a character outside ASCII (byte 0xC3) at position 1"),
        (b"a\tb", "has a control character (byte 0x09) at position 2"),
    ],
    ids=["empty", "long", "cyrillic", "long and accented", "tab"],
)
async def test_an_idempotency_key_that_is_no_key_is_refused(world: World, key: str | bytes, told: str) -> None:
    requests = world.replies("CompleteUpload")
    answer = await world.http.post("/v1/uploads/abc/complete", headers={"Idempotency-Key": key})
    assert_refused(answer, "Idempotency-Key", f"must be 1 to 255 printable ASCII characters, {told}")
    assert not requests


async def test_identity_and_idempotency_key_travel_on_and_nothing_else(world: World) -> None:
    seen: list[dict[str, str]] = []

    async def reply(_: Any, context: Any) -> Any:
        seen.append(dict(context.invocation_metadata()))
        return world.message("CompleteUpload", status=3)

    world.program("CompleteUpload", reply)
    headers = {
        "Authorization": "Bearer abc",
        "Idempotency-Key": "x" * 255,
        "Cookie": "a=b",
        "X-Forwarded-For": "10.0.0.1",
        "Grpc-Timeout": "1S",
    }
    assert (await world.http.post("/v1/uploads/abc/complete", headers=headers)).status_code == 200
    assert seen[0].pop("authorization") == "Bearer abc"
    assert seen[0].pop("idempotency-key") == "x" * 255
    assert set(seen[0]) <= {"user-agent", "traceparent"}


@pytest.mark.parametrize("authorization", ["Bearer ключ".encode(), "Bearer " + "x" * 9000])
async def test_an_authorization_that_cannot_be_a_token_does_not_travel(
    world: World, authorization: str | bytes
) -> None:
    seen: list[dict[str, str]] = []

    async def reply(_: Any, context: Any) -> Any:
        seen.append(dict(context.invocation_metadata()))
        return world.message("CompleteUpload", status=3)

    world.program("CompleteUpload", reply)
    answer = await world.http.post("/v1/uploads/abc/complete", headers={"Authorization": authorization})
    assert answer.status_code == 200
    assert "authorization" not in seen[0]


async def test_header_fields_without_an_end_are_cut_off(world: World) -> None:
    async def send() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Endless: ")
        for _ in range(64):
            writer.write(b"x" * MIB)
            await writer.drain()
        await reader.read()

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(send(), LIMIT_SECONDS)


async def test_a_body_that_does_not_end_in_time_is_refused_with_408() -> None:
    async with gateway_world(body_seconds=0.2) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"POST /v1/uploads/abc/complete HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answer = await asyncio.wait_for(reader.read(), LIMIT_SECONDS)
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    problem = json.loads(body)
    assert (problem["status"], problem["code"]) == (408, "REQUEST_TIMEOUT")
    assert problem["detail"] == "1 bytes of the body came in 0.2 s, and not its end."


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: ",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n\r\n",
        b"POST /v1/nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    ],
)
async def test_a_connection_whose_request_does_not_end_is_closed_however_slowly_it_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write(sent)

    async def drip() -> None:
        while True:
            writer.write(sent[-1:] if sent.endswith(b"\n") else b"x")
            await writer.drain()
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(LIMIT_SECONDS):
            while await reader.read(MIB):
                pass
    dripping.cancel()
    writer.close()


async def test_a_request_that_takes_longer_than_a_head_may_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reply(_: Any, __: Any) -> Any:
        await asyncio.sleep(0.5)
        return world.message("CompleteUpload", status=3)

    monkeypatch.setattr(server, "HEAD_SECONDS", 0.1)
    world.program("CompleteUpload", reply)
    for _ in range(2):
        assert (await world.http.post("/v1/uploads/abc/complete")).status_code == 200


async def test_a_connection_too_many_gets_a_problem_that_says_when_to_come_back() -> None:
    async with gateway_world(max_connections=1) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        answer = await world.http.get("/healthz")
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("5", "close")
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"HTTP/1.1 200 OK\r\n"), LIMIT_SECONDS)
        writer.close()


async def test_requests_follow_each_other_on_a_connection(world: World) -> None:
    requests = world.replies("CompleteUpload", status=3)
    body = b'{"parts": [' + b", ".join([b'{"part_number": 1, "etag": "e"}'] * 30) + b"]" + b" " * 700_000 + b"}"
    head = b"POST /v1/uploads/abc/complete HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: %d\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    writer.write((head % len(body) + body) * 3)
    async with asyncio.timeout(LIMIT_SECONDS):
        for _ in range(3):
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            length = re.search(rb"content-length: (\d+)", answer)
            assert length is not None
            await reader.readexactly(int(length[1]))
    writer.close()
    assert [len(request.parts) for request in requests] == [30] * 3
