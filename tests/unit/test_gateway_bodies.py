"""JSON bodies: what is plain, unambiguous JSON and what is not."""

import json

import pytest

from chassis.errors import InvalidArgument
from gateway.problems import Unreadable
from gateway.requests import parse_json


def test_plain_json_keeps_its_values() -> None:
    body = '{"title": "Ünïcödé \\ud83d\\ude00 \\\\u0000", "n": 18446744073709551615, "l": [true, null, 1.5]}'
    assert parse_json(body.encode()) == json.loads(body)


@pytest.mark.parametrize("text", ["12.0", "1.2e1", "0.12E+2"])
def test_an_integer_is_one_however_it_is_written(text: str) -> None:
    value = parse_json(f'{{"n": {text}}}'.encode())["n"]
    assert (value, type(value)) == (12, int)


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
        (b'{"a": NaN}', "not JSON: NaN is no number"),
        (b'{"a": -Infinity}', "not JSON: -Infinity is no number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b'{"a": "x\\u0000y"}', r"u0000 at byte 9 .*NUL"),
        (b'{"a\\u0000": 1}', "NUL"),
        (b'{"a": "\\\\\\u0000"}', "NUL"),
        (b'{"a": "x\\ud800"}', r"ud800 at byte 9 .*half of a surrogate pair"),
        (b'{"a": "\\uD83D \\uDE00"}', "uD83D at byte 8 "),
        (b'{"a": "\\ud83d\\ude00\\ude00"}', "ude00 at byte 20 "),
        (b'{"\\udfff": 1}', "udfff at byte 3 "),
    ],
)
def test_a_body_that_is_not_plain_json_is_refused_with_the_place_or_the_reason(body: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told) as refused:
        parse_json(body)
    assert "named fields" not in refused.value.next_action


@pytest.mark.parametrize(
    ("body", "name"), [(b'{"a": 1, "b": 2, "a": 3}', "a"), (b'[{"a": {"b": 1, "b": 1}}]', "b")], ids=["outer", "inner"]
)
def test_a_name_that_stands_twice_in_an_object_is_named(body: bytes, name: str) -> None:
    with pytest.raises(InvalidArgument, match=f"{name} stands twice in one object") as refused:
        parse_json(body)
    assert refused.value.fields[0].field == name
