"""Pages: they begin where the one before ended, and only we can say where that was."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest

from chassis.errors import InvalidArgument
from chassis.paging import START, Position, asked_page, decode_token, encode_token
from nextplay.catalog.v1.feeds_service_pb2 import GetFeedRequest

KEY = b"a key of at least thirty-two bytes"
POSITION = Position(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), UUID("11111111-1111-4111-8111-111111111111"))


@pytest.mark.parametrize("position", [POSITION, START, Position(datetime(1, 1, 1, tzinfo=UTC), UUID(int=0))])
def test_a_token_leads_back_to_its_position_to_the_microsecond(position: Position) -> None:
    assert decode_token(encode_token(position, KEY, "feed"), KEY, "feed") == position


def test_a_request_without_fields_asks_for_the_first_twenty_rows() -> None:
    asked = asked_page(GetFeedRequest(), key=KEY, query="feed")
    assert (asked.after, asked.size) == (START, 20)
    assert asked_page(GetFeedRequest(page_token=""), key=KEY, query="feed").after == START


def test_a_page_that_another_follows_ends_with_a_token_that_goes_on() -> None:
    asked = asked_page(GetFeedRequest(page_size=2), key=KEY, query="feed")
    positions = [Position(POSITION.time, UUID(int=number)) for number in (3, 2, 1)]
    page, token = asked.cut(positions[: asked.limit], lambda position: position)
    assert page == positions[:2]
    assert asked_page(GetFeedRequest(page_token=token), key=KEY, query="feed").after == positions[1]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_last_page_has_no_token(count: int) -> None:
    asked = asked_page(GetFeedRequest(page_size=2), key=KEY, query="feed")
    assert asked.cut([POSITION] * count, lambda position: position) == ([POSITION] * count, "")


def test_a_token_of_another_query_is_refused() -> None:
    token = encode_token(POSITION, KEY, "feed of alice")
    with pytest.raises(InvalidArgument, match="page_token is not a token that this list gave to you") as refused:
        decode_token(token, KEY, "feed of bob")
    assert refused.value.fields[0].field == "page_token"


def test_a_token_signed_with_another_key_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        decode_token(encode_token(POSITION, b"another key", "feed"), KEY, "feed")


@pytest.mark.parametrize("place", range(40))
def test_a_token_of_which_a_bit_was_changed_is_refused(place: int) -> None:
    forged = bytearray(base64.urlsafe_b64decode(encode_token(POSITION, KEY, "feed") + "=="))
    forged[place] ^= 1
    with pytest.raises(InvalidArgument):
        decode_token(base64.urlsafe_b64encode(forged).rstrip(b"=").decode(), KEY, "feed")


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!" * 54,
        "ä" * 54,
        "A" * 53,
        "A" * 54,
        "A" * 55,
        "A" * 10_000,
        encode_token(POSITION, KEY, "feed") + "\n",
        encode_token(POSITION, KEY, "feed")[:-1] + "=",
        base64.urlsafe_b64encode(b"\x7f" + b"\xff" * 39).decode().rstrip("="),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        decode_token(token, KEY, "feed")
    assert refused.value.fields[0].field == "page_token"


def test_a_page_has_as_many_rows_as_are_asked_for() -> None:
    assert asked_page(GetFeedRequest(page_size=7), key=KEY, query="feed").size == 7
