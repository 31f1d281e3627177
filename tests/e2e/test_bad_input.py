"""What clients get wrong, against the whole platform: the status, the code, the value, the limit; nothing changes."""

import base64
import hashlib
import unicodedata
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from tests.e2e.conftest import MakePerson
from tests.e2e.people import Person, announcement, status_of

MIB = 1024 * 1024
LIMIT = 157_286_400


@pytest.fixture
def alice(person: MakePerson) -> Person:
    return person("alice")


def problem(reply: httpx.Response, status: int, code: str, *said: str) -> dict[str, Any]:
    """The problem of a refusal, which says all of `said`."""
    assert (reply.status_code, reply.json().get("code")) == (status, code), reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert body["status"] == status
    assert body["next_action"]
    assert body["trace_id"]
    digits = reply.text.replace(",", "").replace("\u202f", "")
    for text in said:
        assert text in reply.text or text in digits, (text, reply.text)
    return body


def fields(reply: httpx.Response) -> list[str]:
    return [error["field"] for error in reply.json()["errors"]]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"title": ""}, "title", ["0", "80"]),
        ({"title": "x" * 81}, "title", ["81", "80"]),
        ({"title": "👨‍👩‍👧‍👦" * 81}, "title", ["81", "80"]),
        ({"title": "x" * 10_000}, "title", ["must have 1 to 80 characters, has 10,000 characters"]),
        ({"title": "e\u0301\u0302" * 81}, "title", ["must have 1 to 80 characters, has 81 characters"]),
        ({"title": "e\u0301" * 5_000}, "title", ["must have 1 to 80 characters, has 10,000 code points"]),
        ({"title": "a\u0007b"}, "title", ["control characters", "U+0007"]),
        ({"title": "a\nb"}, "title", ["control characters", "U+000A"]),
        ({"title": "\u202eevil"}, "title", ["control characters", "U+202E"]),
        ({"title": "\u2066evil\u2069"}, "title", ["control characters", "U+2066"]),
        ({"title": "\u200f"}, "title", ["1 to 80", "no visible one"]),
        ({"filename": "x" * 256}, "filename", ["must have 1 to 255 characters, has 256 characters"]),
        ({"description": "x" * 2_001}, "description", ["must have 0 to 2,000 characters, has 2,001 characters"]),
        ({"fingerprint": "x" * 201}, "fingerprint", ["must have 1 to 200 characters, has 201 characters"]),
        ({"category": "sprots"}, "category", ["sprots", "sports"]),
        ({"visibility": "secret"}, "visibility", ["secret", "public", "unlisted", "private"]),
        ({"visibility": "VISIBILITY_UNSPECIFIED"}, "visibility", ["public"]),
        ({"file_size_bytes": 0}, "file_size_bytes", ["0", "1"]),
        ({"file_size_bytes": -1}, "file_size_bytes", ["must be 1 to 157,286,400 bytes, is -1 bytes"]),
        ({"file_size_bytes": 2**64}, "file_size_bytes", ["1 to 157,286,400 bytes", f"is {2**64:,} bytes"]),
        ({"file_size_bytes": "12"}, "file_size_bytes", ["12"]),
        ({"file_size_bytes": 1.5}, "file_size_bytes", ["1.5"]),
        ({"filename": ""}, "filename", []),
        ({"fingerprint": ""}, "fingerprint", []),
        ({"video_id": "not-a-uuid"}, "video_id", ["not-a-uuid"]),
        ({"colour": "red"}, "colour", []),
        ({"fileSizeBytes": 12}, "fileSizeBytes", []),
        ({"title": None}, "title", []),
    ],
    ids=str,
)
def test_an_initiate_with_a_wrong_field_names_it_with_value_and_limit(
    alice: Person, change: dict[str, object], field: str, said: list[str]
) -> None:
    reply = alice.post("/v1/uploads/initiate", announcement(1000) | change)
    problem(reply, 400, "INVALID_ARGUMENT", *said)
    assert field in fields(reply)
    assert alice.get("/v1/uploads").json()["uploads"] == []


@pytest.mark.parametrize(
    "wrong",
    [{"title": "", "filename": "", "file_size_bytes": 0, "video_id": "x"}, {"title": "x" * 81, "category": "x"}],
)
def test_all_wrong_fields_are_told_at_once(alice: Person, wrong: dict[str, object]) -> None:
    """Those that the contract refuses; and where there are none, those that the service does."""
    reply = alice.post("/v1/uploads/initiate", announcement(1000) | wrong)
    assert sorted(fields(reply)) == sorted(wrong)


def test_a_field_that_is_wrong_alone_is_what_the_detail_tells(alice: Person) -> None:
    for change in ({"title": ""}, {"title": "x" * 81}, {"category": "sprots"}, {"title": 12}, {"colour": "red"}):
        reply = alice.post("/v1/uploads/initiate", announcement(1000) | change).json()
        [wrong] = reply["errors"]
        assert reply["detail"] == f"{wrong['field']} {wrong['message']}."
        assert reply["next_action"] == "Correct the named fields and send again."


def test_a_title_of_80_family_emojis_is_a_title_of_80_characters(alice: Person) -> None:
    assert alice.initiate(1000, title="👨‍👩‍👧‍👦" * 80)["upload_id"]


@pytest.mark.parametrize(
    "title", ["e\u0301\u0302" * 80, "🇩🇪" * 80, "שלום \u200fעולם", "  trimmed  ", "한국어 제목", "a\u200bb"], ids=ascii
)
def test_a_title_is_counted_as_a_person_counts_and_may_be_of_any_script(alice: Person, title: str) -> None:
    video_id = alice.initiate(1000, title=title)["video_id"]
    assert alice.get(f"/v1/videos/{video_id}").json()["title"] == unicodedata.normalize("NFC", title.strip())


def test_a_file_one_byte_over_the_limit_is_too_large(alice: Person) -> None:
    assert alice.initiate(LIMIT)["part_count"] == 15
    reply = alice.post("/v1/uploads/initiate", announcement(LIMIT + 1))
    problem(reply, 413, "FILE_TOO_LARGE", str(LIMIT + 1), str(LIMIT), "bytes")


def test_a_file_far_over_the_limit_is_too_large(alice: Person) -> None:
    for size in (2**40, 2**63, 2**64 - 1):
        problem(alice.post("/v1/uploads/initiate", announcement(size)), 413, "FILE_TOO_LARGE", str(size), "bytes")


def test_another_content_type_is_named_with_those_accepted(alice: Person) -> None:
    reply = alice.post("/v1/uploads/initiate", announcement(1000) | {"content_type": "video/webm"})
    problem(reply, 415, "UNSUPPORTED_CONTENT_TYPE", "video/webm", "video/mp4", "video/quicktime")


def test_the_eleventh_upload_of_an_hour_waits(alice: Person) -> None:
    for _ in range(10):
        alice.initiate(1000)
    reply = alice.post("/v1/uploads/initiate", announcement(1000))
    problem(reply, 429, "RATE_LIMITED", "10")
    assert 0 < int(reply.headers["Retry-After"]) <= 3600


def test_refused_initiates_do_not_count_against_the_limit(alice: Person) -> None:
    for _ in range(12):
        assert alice.post("/v1/uploads/initiate", announcement(0)).status_code == 400
    alice.initiate(1000)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "line 1, column 2"),
        (b"[]", "body must be of type object, is []"),
        (b'{"title": "a", "title": "b"}', "title stands twice"),
        (b'{"title": "\xff"}', "UTF-8"),
        (b'{"title": "\\ud800"}', "half of a surrogate pair"),
        (b'{"title": "\\u0000"}', "NUL"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(alice: Person, body: bytes, said: str) -> None:
    reply = alice.http.post("/v1/uploads/initiate", content=body, headers={"Content-Type": "application/json"})
    told = problem(reply, 400, "INVALID_ARGUMENT", said)
    assert ("named fields" in told["next_action"]) == bool(told["errors"])


def test_a_body_over_a_mebibyte_is_refused(alice: Person) -> None:
    reply = alice.post("/v1/uploads/initiate", announcement(1000) | {"description": "x" * MIB})
    problem(reply, 413, "BODY_TOO_LARGE", str(MIB))


def test_a_body_without_an_end_is_refused_when_it_passes_a_mebibyte(alice: Person) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(32):
            yield b" " * 65536

    reply = alice.http.post("/v1/uploads/initiate", content=endless(), headers={"Content-Type": "application/json"})
    problem(reply, 413, "BODY_TOO_LARGE", str(MIB))


def test_a_body_of_another_type_is_refused(alice: Person) -> None:
    reply = alice.http.post("/v1/uploads/initiate", data={"title": "a"})
    problem(reply, 415, "UNSUPPORTED_CONTENT_TYPE", "application/json")


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/v1/uploads/{id}"),
        ("DELETE", "/v1/uploads/{id}"),
        ("POST", "/v1/uploads/{id}/complete"),
        ("GET", "/v1/videos/{id}"),
        ("GET", "/v1/videos/{id}/status"),
        ("DELETE", "/v1/videos/{id}"),
        ("POST", "/v1/videos/{id}/publish"),
        ("POST", "/v1/videos/{id}/retry"),
    ],
)
def test_ids_that_are_malformed_or_unknown_are_told_apart(alice: Person, verb: str, path: str) -> None:
    body: dict[str, object] | None = {} if verb == "POST" else None
    reply = alice.http.request(verb, path.format(id="not-a-uuid"), json=body)
    problem(reply, 400, "INVALID_ARGUMENT", "not-a-uuid")
    assert fields(reply) == ["upload_id" if "uploads" in path else "video_id"]
    reply = alice.http.request(verb, path.format(id=uuid.uuid4()), json=body)
    problem(reply, 404, "UPLOAD_NOT_FOUND" if "uploads" in path else "VIDEO_NOT_FOUND")


def test_what_belongs_to_another_is_not_found_and_unchanged(person: MakePerson, alice: Person) -> None:
    mallory = person("mallory")
    upload = alice.initiate(1000)
    path, video = f"/v1/uploads/{upload['upload_id']}", f"/v1/videos/{upload['video_id']}"
    part = {"part_number": 1, "content_length": 1000}
    problem(mallory.get(path), 404, "UPLOAD_NOT_FOUND")
    problem(mallory.post(f"{path}/parts/presign", part), 404, "UPLOAD_NOT_FOUND")
    problem(mallory.post(f"{path}/parts/presign-batch", {"parts": [part]}), 404, "UPLOAD_NOT_FOUND")
    problem(mallory.post(f"{path}/complete"), 404, "UPLOAD_NOT_FOUND")
    problem(mallory.delete(path), 404, "UPLOAD_NOT_FOUND")
    problem(mallory.get(video), 404, "VIDEO_NOT_FOUND")
    problem(mallory.get(f"{video}/status"), 404, "VIDEO_NOT_FOUND")
    problem(mallory.get(f"{video}/timeline"), 404, "VIDEO_NOT_FOUND")
    problem(mallory.patch(video, {"title": "Mine"}), 404, "VIDEO_NOT_FOUND")
    problem(mallory.post(f"{video}/publish"), 404, "VIDEO_NOT_FOUND")
    problem(mallory.delete(video), 404, "VIDEO_NOT_FOUND")
    problem(
        mallory.post("/v1/uploads/initiate", announcement(1000) | {"video_id": upload["video_id"]}),
        404,
        "VIDEO_NOT_FOUND",
    )
    assert alice.get(path).json()["status"] == "INITIATED"
    assert status_of(alice, upload["video_id"])["status"] in ("DRAFT", "UPLOADING")


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"part_number": 0}, "part_number", ["0", "1"]),
        ({"part_number": 4}, "part_number", ["4", "3"]),
        ({"part_number": 10_001}, "part_number", ["must be 1 to 30, is 10,001"]),
        ({"part_number": -1}, "part_number", ["must be 1 to 30, is -1"]),
        ({"part_number": 2**63}, "part_number", [f"must be 1 to 30, is {2**63:,}"]),
        ({"content_length": 2**63}, "content_length", [f"must be 1 to 157,286,400 bytes, is {2**63:,} bytes"]),
        ({"content_length": -1}, "content_length", ["must be 1 to 157,286,400 bytes, is -1 bytes"]),
        ({"content_length": 0}, "content_length", ["0", "1"]),
        ({"content_length": 11 * MIB + 1}, "content_length", [str(11 * MIB + 1), str(11 * MIB)]),
        ({"checksum_sha256": "abc"}, "checksum_sha256", ["44"]),
    ],
    ids=str,
)
def test_a_part_outside_its_limits_is_not_signed(
    alice: Person, change: dict[str, object], field: str, said: list[str]
) -> None:
    upload = alice.initiate(11 * MIB)
    body = {"part_number": 1, "content_length": 1000} | change
    reply = alice.post(f"/v1/uploads/{upload['upload_id']}/parts/presign", body)
    problem(reply, 400, "INVALID_ARGUMENT", *said)
    assert fields(reply) == [field]
    assert alice.get(f"/v1/uploads/{upload['upload_id']}").json()["status"] == "INITIATED"


def test_parts_of_an_upload_with_checksums_are_signed_and_taken_only_with_theirs(alice: Person) -> None:
    path, data = f"/v1/uploads/{alice.initiate(1000, part_checksums=True)['upload_id']}", bytes(1000)
    part: dict[str, object] = {"part_number": 1, "content_length": len(data)}
    reply = alice.post(f"{path}/parts/presign-batch", {"parts": [part]})
    problem(reply, 400, "INVALID_ARGUMENT", "is missing", "part_checksums")
    assert fields(reply) == ["parts[0].checksum_sha256"]
    assert alice.get(path).json()["part_checksums"] is True

    part["checksum_sha256"] = base64.b64encode(hashlib.sha256(data).digest()).decode()
    signed = alice.post(f"{path}/parts/presign", part).json()
    headers = {header["name"]: header["value"] for header in signed["headers"]}
    assert httpx.put(signed["presigned_url"], content=b"x" * len(data), headers=headers).status_code == 400
    assert httpx.put(signed["presigned_url"], content=data, headers=headers).status_code == 200
    assert alice.post(f"{path}/complete").status_code == 200


def test_s3_takes_nothing_but_what_was_signed(alice: Person) -> None:
    upload = alice.initiate(1000)
    reply = alice.post(f"/v1/uploads/{upload['upload_id']}/parts/presign", {"part_number": 1, "content_length": 1000})
    url = reply.json()["presigned_url"]
    assert httpx.put(url, content=bytes(999), headers={"Content-Type": "video/mp4"}).status_code == 403
    assert httpx.put(url, content=bytes(1000), headers={"Content-Type": "text/html"}).status_code == 403
    assert alice.get(f"/v1/uploads/{upload['upload_id']}").json()["parts_received"] == []


def test_a_complete_with_parts_missing_names_them_and_changes_nothing(alice: Person) -> None:
    upload = alice.initiate(11 * MIB)
    path = f"/v1/uploads/{upload['upload_id']}"
    etag = alice.send(upload["upload_id"], 1, bytes(10 * MIB))
    reply = alice.post(f"{path}/complete", {"parts": [{"part_number": 1, "etag": etag}]})
    problem(reply, 409, "PARTS_MISSING", str(10 * MIB), str(11 * MIB))
    state = alice.get(path).json()
    assert (state["status"], state["parts_missing"]) == ("IN_PROGRESS", [2])

    alice.send(upload["upload_id"], 2, bytes(MIB))
    assert alice.post(f"{path}/complete").json()["status"] == "UPLOADED"


def test_a_complete_with_a_wrong_etag_names_the_part(alice: Person) -> None:
    upload = alice.initiate(1000)
    alice.send(upload["upload_id"], 1, bytes(1000))
    path = f"/v1/uploads/{upload['upload_id']}"
    reply = alice.post(
        f"{path}/complete", {"parts": [{"part_number": 1, "etag": '"d41d8cd98f00b204e9800998ecf8427e"'}]}
    )
    problem(reply, 409, "PART_MISMATCH", "1")
    assert alice.get(path).json()["status"] == "IN_PROGRESS"


def test_a_complete_with_a_part_that_is_too_small_names_it(alice: Person) -> None:
    upload = alice.initiate(2000)
    presign = f"/v1/uploads/{upload['upload_id']}/parts/presign"
    reply = alice.post(presign, {"part_number": 2, "content_length": 1000})
    problem(reply, 400, "INVALID_ARGUMENT", "2", "1")
    reply = alice.post(presign, {"part_number": 1, "content_length": 1000})
    problem(reply, 400, "INVALID_ARGUMENT", "2,000 bytes", "1,000 bytes")
    upload = alice.initiate(6 * MIB)
    etags = [alice.send(upload["upload_id"], 1, bytes(MIB)), alice.send(upload["upload_id"], 2, bytes(5 * MIB))]
    parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, start=1)]
    reply = alice.post(f"/v1/uploads/{upload['upload_id']}/complete", {"parts": parts})
    problem(reply, 409, "PART_TOO_SMALL", str(MIB), str(5 * MIB))


def test_a_complete_with_an_empty_list_is_refused_and_one_without_a_list_is_not(alice: Person) -> None:
    upload = alice.initiate(1000)
    alice.send(upload["upload_id"], 1, bytes(1000))
    path = f"/v1/uploads/{upload['upload_id']}/complete"
    reply = alice.post(path, {"parts": []})
    problem(reply, 400, "INVALID_ARGUMENT")
    assert fields(reply) == ["parts"]
    first = alice.post(path, {})
    assert first.status_code == 200
    assert alice.post(path, {}).json()["video_id"] == first.json()["video_id"]


def test_a_video_that_is_not_ready_is_not_published(alice: Person) -> None:
    upload = alice.initiate(1000)
    reply = alice.post(f"/v1/videos/{upload['video_id']}/publish")
    problem(reply, 409, "VIDEO_NOT_READY", status_of(alice, upload["video_id"])["status"])


def test_a_deleted_video_is_told_as_deleted_by_status_publish_and_retry(alice: Person) -> None:
    path = f"/v1/videos/{alice.initiate(1000)['video_id']}"
    assert alice.delete(path).status_code == 204
    assert alice.get(f"{path}/status").json()["status"] == "DELETED"
    for body in ({}, {"when_ready": True}):
        problem(alice.post(f"{path}/publish", body), 409, "VIDEO_NOT_READY", "DELETED")
    problem(alice.post(f"{path}/retry"), 409, "RETRY_NOT_ALLOWED", "DELETED")


def test_an_idempotency_key_replays_its_reply_and_refuses_another_body(alice: Person) -> None:
    key = f"key-{uuid.uuid4()}"
    first = alice.post("/v1/uploads/initiate", announcement(1000), Idempotency_Key=key)
    again = alice.post("/v1/uploads/initiate", announcement(1000), Idempotency_Key=key)
    assert first.status_code == again.status_code == 200
    assert {**again.json(), "server_time": ""} == {**first.json(), "server_time": ""}
    assert len(alice.get("/v1/uploads").json()["uploads"]) == 1
    other = alice.post("/v1/uploads/initiate", announcement(1001), Idempotency_Key=key)
    problem(other, 422, "IDEMPOTENCY_MISMATCH")


def test_unknown_paths_and_verbs_are_problems_too(platform: Stack) -> None:
    for verb, path, status in [("GET", "/v1/nothing", 404), ("PUT", "/v1/feed", 405)]:
        reply = httpx.request(verb, f"{platform.gateway}{path}", timeout=20)
        assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
        assert reply.json()["next_action"]


def test_wrong_parameters_are_named(alice: Person) -> None:
    problem(alice.get("/v1/feed", colour="red"), 400, "INVALID_ARGUMENT", "colour")
    problem(alice.get("/v1/feed", page_size="many"), 400, "INVALID_ARGUMENT", "many")
    problem(alice.get("/v1/feed", page_size=101), 400, "INVALID_ARGUMENT", "101", "100")
    problem(alice.get("/v1/feed", page_token="forged"), 400, "INVALID_ARGUMENT")


LISTS = ["/v1/videos", "/v1/uploads", "/v1/feed", "/v1/feed/discover", "/v1/notifications"]
LISTS += [f"/v1/users/{uuid.UUID(int=1)}/{what}" for what in ("videos", "followers", "following")]


@pytest.mark.parametrize("path", LISTS)
def test_a_page_is_asked_for_within_its_limits_and_with_a_token_of_this_list(alice: Person, path: str) -> None:
    for size in (0, -1, 101, 2**32, 2**63):
        reply = alice.get(path, page_size=size)
        problem(reply, 400, "INVALID_ARGUMENT", f"page_size must be 1 to 100, is {size:,}.")
    for token in ("forged", "A" * 54, "é", "A" * 200):
        reply = alice.get(path, page_token=token)
        problem(reply, 400, "INVALID_ARGUMENT", "page_token is not a token that this list gave to you")
    problem(alice.get(path, page_token="A" * 201), 400, "INVALID_ARGUMENT", "page_token must have 0 to 200 characters")


def test_a_page_token_is_of_one_user_and_one_list(person: MakePerson, alice: Person) -> None:
    for _ in range(2):
        alice.initiate(1000)
    for path, other in (("/v1/videos", "/v1/uploads"), ("/v1/uploads", "/v1/videos")):
        token = alice.get(path, page_size=1).json()["next_page_token"]
        assert alice.get(path, page_token=token).status_code == 200
        for asked in (person("mallory").get(path, page_token=token), alice.get(other, page_token=token)):
            problem(asked, 400, "INVALID_ARGUMENT", "page_token is not a token that this list gave to you")
    videos = alice.get("/v1/videos", page_size=1, category="sports").json()["next_page_token"]
    problem(alice.get("/v1/videos", category="music", page_token=videos), 400, "INVALID_ARGUMENT", "page_token")


def test_parts_of_a_complete_and_of_a_batch_are_told_by_their_place(alice: Person) -> None:
    path = f"/v1/uploads/{alice.initiate(1000)['upload_id']}"
    right = {"part_number": 1, "content_length": 1000}
    reply = alice.post(f"{path}/parts/presign-batch", {"parts": [right, right | {"part_number": 10_001}]})
    problem(reply, 400, "INVALID_ARGUMENT", "parts[1].part_number must be 1 to 30, is 10,001.")
    reply = alice.post(f"{path}/parts/presign-batch", {"parts": [right] * 31})
    problem(reply, 400, "INVALID_ARGUMENT", "parts must have 1 to 30 entries, has 31 entries.")
    reply = alice.post(f"{path}/complete", {"parts": [{"part_number": 10_001, "etag": "e"}]})
    problem(reply, 400, "INVALID_ARGUMENT", "parts[0].part_number must be 1 to 30, is 10,001.")
    reply = alice.post(f"{path}/complete", {"parts": [{"part_number": 1, "etag": "e" * 129}]})
    problem(reply, 400, "INVALID_ARGUMENT", "parts[0].etag must have 1 to 128 characters, has 129 characters.")
    reply = alice.post("/v1/notifications/read", {"notification_ids": [str(uuid.UUID(int=1))] * 101})
    problem(reply, 400, "INVALID_ARGUMENT", "notification_ids must have 0 to 100 entries, has 101 entries.")
