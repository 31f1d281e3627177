import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.errors import InvalidArgument
from chassis.paging import START, Position, decode_page_token, encode_page_token, page_size

POSITION = Position(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), UUID("11111111-1111-4111-8111-111111111111"))


@pytest.mark.parametrize("position", [POSITION, START, Position(datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))])
def test_a_token_leads_back_to_its_position_to_the_microsecond(position: Position) -> None:
    assert decode_page_token(encode_page_token(position, query="feed"), query="feed") == position


def test_no_token_is_the_start() -> None:
    assert decode_page_token(None, query="feed") == decode_page_token("", query="feed") == START


def test_a_token_of_another_query_is_refused() -> None:
    token = encode_page_token(POSITION, query="feed of alice")
    with pytest.raises(InvalidArgument, match="fields") as refused:
        decode_page_token(token, query="feed of bob")
    assert refused.value.fields[0].field == "page_token"


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!" * 43,
        "ä" * 43,
        "A" * 42,
        "A" * 44,
        "A" * 10_000,
        encode_page_token(POSITION, query="feed") + "\n",
        encode_page_token(POSITION, query="feed")[:-1] + "=",
        base64.urlsafe_b64encode(b"\x7f" + b"\xff" * 31).decode().rstrip("="),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        decode_page_token(token, query="feed")
    assert refused.value.fields[0].field == "page_token"


def test_a_page_has_twenty_rows_where_nothing_was_asked() -> None:
    assert page_size(None) == 20


@pytest.mark.parametrize("asked", [1, 100])
def test_a_page_may_have_one_to_a_hundred_rows(asked: int) -> None:
    assert page_size(asked) == asked


@pytest.mark.parametrize(("asked", "maximum"), [(0, 100), (101, 100), (1_001, 1_000)])
def test_other_page_sizes_are_refused_with_the_limit(asked: int, maximum: int) -> None:
    with pytest.raises(InvalidArgument) as refused:
        page_size(asked, maximum=maximum)
    assert refused.value.fields[0].message == f"must be 1 to {maximum}, is {asked}"
