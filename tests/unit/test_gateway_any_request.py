"""Whatever is sent, a request is read or refused; what is accepted means what was written."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as some
from starlette.requests import Request

from chassis.errors import Failure
from gateway.contract import DESCRIPTORS, read_contract
from gateway.requests import ReadRequest, request_reader

CONTRACT = read_contract(DESCRIPTORS.read_bytes())
READERS = {
    endpoint.method.name: request_reader(endpoint, CONTRACT.comments, 10)
    for endpoint in CONTRACT.endpoints
    if endpoint.method.name in ("InitiateUpload", "CompleteUpload", "MarkRead", "ListVideos", "WatchVideo")
}

TEXTS = some.text(alphabet=some.characters(codec=None), max_size=12)
SCALARS = some.none() | some.booleans() | some.integers() | some.floats() | TEXTS
VALUES = some.recursive(
    SCALARS, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=3)
)
NAMES = some.sampled_from(["title", "category", "filename", "content_type", "file_size_bytes", "visibility", "videoId"])
PARTS = some.lists(
    some.fixed_dictionaries({"part_number": some.integers(0, 2**33) | VALUES, "etag": TEXTS}), max_size=3
)


def read(reader: ReadRequest, body: bytes = b"", query: bytes = b"", **headers: str) -> Message | Failure:
    """The message or the refusal; any other exception fails the test."""
    fields = {"content-type": "application/json", **headers} | ({"content-length": str(len(body))} if body else {})
    scope = {
        "type": "http",
        "query_string": query,
        "raw_path": b"/",
        "path_params": {},
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        return asyncio.run(reader(Request(scope, receive)))
    except Failure as failure:
        refused = failure
    assert len(str(refused)) < 2000
    assert str(refused).encode()
    return refused


@settings(deadline=None, max_examples=100)
@given(some.binary(max_size=200) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for name in ("InitiateUpload", "CompleteUpload", "MarkRead"):
        read(READERS[name], body)


@settings(deadline=None, max_examples=100)
@given(VALUES | some.dictionaries(NAMES | TEXTS, VALUES) | some.fixed_dictionaries({"parts": PARTS}))
def test_any_json_is_read_or_refused(value: Any) -> None:
    for name in ("InitiateUpload", "CompleteUpload", "MarkRead"):
        read(READERS[name], json.dumps(value).encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=100)
@given(some.lists(some.integers(1, 30), min_size=1, max_size=30), some.text(min_size=1, max_size=128))
def test_what_is_accepted_means_what_was_written(numbers: list[int], etag: str) -> None:
    sent = {"parts": [{"part_number": number, "etag": etag} for number in numbers]}
    message = read(READERS["CompleteUpload"], json.dumps(sent).encode())
    if "\0" in etag:
        assert isinstance(message, Failure)
    else:
        assert isinstance(message, Message)
        kept = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        assert kept["parts"] == sent["parts"]


@settings(deadline=None, max_examples=100)
@given(some.integers(0, 2**53) | some.floats(), some.integers() | some.floats())
def test_any_number_is_read_or_refused(size: float, number: float) -> None:
    whole = {"title": "t", "category": "c", "filename": "f", "content_type": "video/mp4", "file_size_bytes": size}
    for written in (size, float(size)):
        message = read(READERS["InitiateUpload"], json.dumps(whole | {"file_size_bytes": written}).encode())
        accepted = 1 <= written < 2**64 and float(written).is_integer()
        assert isinstance(message, Message) == accepted
    read(READERS["CompleteUpload"], json.dumps({"parts": [{"part_number": number, "etag": "e"}]}).encode())


@settings(deadline=None, max_examples=100)
@given(some.binary(max_size=60) | TEXTS.map(lambda text: quote(text.encode("utf-8", "surrogatepass")).encode()), TEXTS)
def test_any_query_and_last_event_id_are_read_or_refused(text: bytes, seen: str) -> None:
    read(READERS["ListVideos"], query=b"page_size=" + text)
    read(READERS["ListVideos"], query=text)
    read(READERS["WatchVideo"], **{"last-event-id": seen.encode("utf-8", "replace").decode()})
