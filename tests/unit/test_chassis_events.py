"""Events as headers and payloads."""

from typing import Any

import pytest
from google.protobuf import struct_pb2
from opentelemetry import trace
from scratch import make_event_type

from chassis.events import Undecodable, decode, describe, encode_headers, header_text, key_of, topic_of
from chassis.tracing import received

Happened: Any = make_event_type("test.events.v1")
NAME = Happened.DESCRIPTOR.full_name
SPAN = trace.SpanContext(trace_id=0xABC, span_id=0xDEF, is_remote=False, trace_flags=trace.TraceFlags(1))


def headers_of(event: Any) -> dict[str, str]:
    return encode_headers(event, describe(event))


def test_the_option_of_the_message_says_topic_and_key() -> None:
    assert topic_of(Happened) == topic_of(Happened(thing_id="a")) == "test.events.v1"
    assert key_of(Happened(thing_id="a")) == "a"


def test_a_message_that_is_no_event_and_an_event_without_key_are_mistakes() -> None:
    with pytest.raises(TypeError, match=r"google\.protobuf\.Struct has no option"):
        topic_of(struct_pb2.Struct)
    with pytest.raises(ValueError, match="thing_id is the event's key and must not be empty"):
        key_of(Happened(number=1))


def test_what_was_encoded_is_decoded_with_the_same_meta() -> None:
    event = Happened(thing_id="a", number=7, filling=b"\x00")
    meta = describe(event)
    headers = encode_headers(event, meta)
    assert headers["ce_specversion"] == "1.0"
    assert headers["ce_type"] == NAME
    assert headers["ce_source"] == "/" + "/".join(NAME.split(".")[:2])
    assert decode(headers, event.SerializeToString(), [Happened]) == (meta, event)


def test_an_unknown_type_is_none_even_when_its_payload_could_not_be_read() -> None:
    headers = headers_of(Happened(thing_id="a")) | {"ce_type": "nextplay.future.v9.Foreseen"}
    assert decode(headers, b"\xff", [Happened]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"ce_id": "not-a-uuid"},
        {"ce_time": "yesterday"},
        {"content-type": "application/json"},
    ],
)
def test_a_malformed_header_is_undecodable(change: dict[str, str]) -> None:
    headers = headers_of(Happened(thing_id="a")) | change
    with pytest.raises(Undecodable):
        decode(headers, b"", [Happened])


@pytest.mark.parametrize("missing", ["ce_id", "ce_type", "ce_time"])
def test_a_missing_header_is_undecodable(missing: str) -> None:
    headers = headers_of(Happened(thing_id="a"))
    del headers[missing]
    with pytest.raises(Undecodable, match=missing):
        decode(headers, b"", [Happened])


def test_a_payload_of_something_else_is_undecodable() -> None:
    with pytest.raises(Undecodable, match=NAME):
        decode(headers_of(Happened(thing_id="a")), b"\xff\xff", [Happened])


def test_fields_that_a_newer_producer_added_do_not_matter() -> None:
    newer = Happened(thing_id="a").SerializeToString() + b"\xa2\x06\x03new"
    decoded = decode(headers_of(Happened(thing_id="a")), newer, [Happened])
    assert decoded is not None
    assert decoded[1].thing_id == "a"  # type: ignore[attr-defined]


def test_the_trace_goes_on_behind_kafka() -> None:
    with trace.use_span(trace.NonRecordingSpan(SPAN)):
        headers = headers_of(Happened(thing_id="a"))
    continued = trace.get_current_span(received(headers)).get_span_context()
    assert (continued.trace_id, continued.span_id) == (SPAN.trace_id, SPAN.span_id)
    assert "traceparent" not in headers_of(Happened(thing_id="a"))


def test_header_bytes_that_are_no_text_stop_nothing() -> None:
    assert header_text([("a", b"\xff"), ("b", b"text")]) == {"a": "\ufffd", "b": "text"}
