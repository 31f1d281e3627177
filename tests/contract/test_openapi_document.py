"""`/openapi.json`: valid, complete, and saying what the contracts say."""

from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from chassis.errors import Kind
from gateway.contract import DESCRIPTORS, read_contract
from nextplay.api.v1 import options_pb2
from tests.openapi import assert_matches_openapi, operation, published

CONTRACT = read_contract(DESCRIPTORS.read_bytes())
ENDPOINTS = pytest.mark.parametrize("endpoint", CONTRACT.endpoints, ids=lambda endpoint: endpoint.method.name)

# Verb and path of `contracts.md`, as far as they are served today.
PROMISED = """
POST /v1/uploads/initiate
POST /v1/uploads/{upload_id}/parts/presign
POST /v1/uploads/{upload_id}/parts/presign-batch
GET /v1/uploads/{upload_id}
GET /v1/uploads
POST /v1/uploads/{upload_id}/complete
DELETE /v1/uploads/{upload_id}
GET /v1/videos/{video_id}
GET /v1/videos/{video_id}/status
GET /v1/videos/{video_id}/events
GET /v1/videos/{video_id}/timeline
PATCH /v1/videos/{video_id}
POST /v1/videos/{video_id}/publish
POST /v1/videos/{video_id}/retry
DELETE /v1/videos/{video_id}
GET /v1/videos
GET /v1/users/{user_id}/videos
GET /v1/feed
GET /v1/feed/discover
PUT /v1/users/{user_id}/follow
DELETE /v1/users/{user_id}/follow
GET /v1/users/{user_id}/followers
GET /v1/users/{user_id}/following
GET /v1/notifications
POST /v1/notifications/read
GET /v1/videos/{video_id}/hls/{playlist}
"""


def described(endpoint: Any) -> dict[str, Any]:
    return dict(published()["paths"][endpoint.path][endpoint.verb.lower()])


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(published()).validate()


def test_what_is_promised_is_described() -> None:
    promised = {tuple(line.split()) for line in PROMISED.strip().splitlines()}
    paths = published()["paths"]
    assert promised <= {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}


@ENDPOINTS
def test_an_operation_describes_every_failure_that_it_may_end_with(endpoint: Any) -> None:
    always = {Kind.INVALID_ARGUMENT, Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED}
    kinds = always | {Kind[options_pb2.ErrorKind.Name(kind)] for kind in endpoint.rpc.fails}
    if endpoint.rpc.access == options_pb2.USER:
        kinds.add(Kind.UNAUTHENTICATED)
    if endpoint.has_body:
        kinds |= {Kind.TOO_LARGE, Kind.UNSUPPORTED_TYPE}
    if endpoint.path_fields:
        kinds.add(Kind.NOT_FOUND)
    responses = described(endpoint)["responses"]
    failures = {status for status in responses if int(status) >= 400}
    assert failures == {str(kind.http_status) for kind in kinds} | ({"408"} if endpoint.has_body else set())
    for status in failures:
        response = published()["components"]["responses"][responses[status]["$ref"].rpartition("/")[2]]
        assert response["content"]["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert response["description"]


@ENDPOINTS
def test_an_operation_says_whether_it_needs_a_token(endpoint: Any) -> None:
    needs = endpoint.rpc.access == options_pb2.USER
    assert described(endpoint)["security"] == ([{"bearer": []}] if needs else [])


@ENDPOINTS
def test_an_operation_names_the_header_fields_that_it_reads(endpoint: Any) -> None:
    named = {
        parameter["$ref"].rpartition("/")[2] for parameter in described(endpoint)["parameters"] if "$ref" in parameter
    }
    expected = {"POST": {"Idempotency-Key"}, "GET": {"If-None-Match"}}.get(endpoint.verb, set())
    assert named == ({"Last-Event-ID"} if endpoint.method.server_streaming else expected)


@ENDPOINTS
def test_everything_is_described_in_words(endpoint: Any) -> None:
    told = described(endpoint)
    assert told["summary"]
    assert told["description"]
    assert all(parameter["description"] for parameter in told["parameters"] if "$ref" not in parameter)


def test_every_property_is_described_in_words() -> None:
    def properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        own = list(schema.get("properties", {}).items())
        inner = [pair for _, one in own for pair in properties(one.get("items", one))]
        return own + inner

    for name, schema in published()["components"]["schemas"].items():
        for field, described_field in properties(schema):
            assert described_field.get("description"), f"{name}.{field}"


def test_waiting_is_described_where_it_is_answered() -> None:
    responses = published()["components"]["responses"]
    waiting = {name for name, response in responses.items() if "Retry-After" in response.get("headers", {})}
    assert waiting == {"RATE_LIMITED", "UNAVAILABLE"}
    limited = {name for name, response in responses.items() if "RateLimit" in response.get("headers", {})}
    assert limited == {"RATE_LIMITED"}


def aborted(status: int, body: Any, content_type: str) -> httpx.Response:
    """An answer to AbortUpload."""
    request = httpx.Request("DELETE", "http://gateway/v1/uploads/abc")
    return httpx.Response(status, json=body, headers={"Content-Type": content_type}, request=request)


PROBLEM = {
    "type": "urn:nextplay:problem:X",
    "title": "X",
    "status": 409,
    "code": "X",
    "detail": "X.",
    "next_action": "X.",
    "trace_id": None,
    "errors": [],
}


def test_an_answer_as_it_is_described_passes() -> None:
    assert_matches_openapi(aborted(409, PROBLEM, "application/problem+json"))


@pytest.mark.parametrize(
    ("status", "change", "content_type"),
    [
        (410, {}, "application/problem+json"),
        (409, {}, "application/json"),
        (409, {"code": "lower case"}, "application/problem+json"),
        (409, {"extra": 1}, "application/problem+json"),
        (409, {"status": "409"}, "application/problem+json"),
        (204, {}, "application/problem+json"),
    ],
)
def test_an_answer_that_is_not_as_described_fails(status: int, change: dict[str, Any], content_type: str) -> None:
    with pytest.raises(AssertionError, match="DELETE /v1/uploads/abc"):
        assert_matches_openapi(aborted(status, PROBLEM | change, content_type))


def test_a_path_of_words_is_found_before_a_template() -> None:
    assert operation("POST", "/v1/uploads/initiate", published())["operationId"] == "InitiateUpload"
    assert operation("GET", "/v1/feed/discover", published())["operationId"] == "DiscoverVideos"
    assert operation("GET", "/v1/videos/a/hls/master.m3u8", published())["operationId"] == "GetPlaylist"
