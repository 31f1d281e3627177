"""JSON bodies: what is plain, unambiguous JSON and what is not."""

import json

import pytest

from chassis.errors import InvalidArgument
from gateway.requests import parse_json


def test_plain_json_keeps_its_values() -> None:
    body = '{"title": "Ünïcödé \\ud83d\\ude00 \\\\u0000", "n": 18446744073709551615, "l": [true, null, 1.5]}'
    assert parse_json(body.encode()) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "line 1, column 1"),
        (b'{"a": 1,\n "b": }', "line 2, column 7"),
        (b'{"a": 1} {"b": 2}', "line 1, column 10"),
        (b'{"a": "x', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": "\xff"}', "byte 8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": NaN}', "number"),
        (b'{"a": -Infinity}', "number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b'{"a": 1, "b": 2, "a": 3}', "a: This name stands twice"),
        (b'[{"a": {"b": 1, "b": 1}}]', "b: This name stands twice"),
        (b'{"a": "x\\u0000y"}', "NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"a": "\\\\\\u0000"}', "NUL"),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused_with_the_place_or_the_reason(body: bytes, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        parse_json(body)
