"""Pages of a list by keyset: a page begins after a position, so it costs the same however far one has read.

    asked = asked_page(request, query=f"feed {user_id}")
    rows = await reads.list_feed(user_id, asked.after, asked.limit)
    page, next_page_token = asked.cut(rows, lambda row: Position(row.published_at, row.video_id))

All our lists are in the order of a time and an id. A token is opaque to clients and bound to its query: to the list,
its filters and whose it is. It is not signed, because it says nothing but where to go on: what may be seen is decided
anew on every page.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument

R = TypeVar("R")

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">q16s8s")
"""Microseconds since 1970, the id, the query."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the time and the id of its last row."""

    time: datetime
    id: UUID


START = Position(datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Before the first row of a list that begins with the latest."""


class PagedRequest(Protocol):
    """A request message with an optional page_size and an optional page_token."""

    @property
    def page_size(self) -> int: ...
    @property
    def page_token(self) -> str: ...
    def HasField(self, field_name: Any, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class AskedPage:
    """The page that is asked for: `size` rows after a position."""

    after: Position
    size: int
    query: str

    @property
    def limit(self) -> int:
        """How many rows to read: one more than is shown tells whether another page follows."""
        return self.size + 1

    def cut(self, rows: Sequence[R], position: Callable[[R], Position]) -> tuple[Sequence[R], str]:
        """The rows to show, and the token of the next page; an empty one on the last page."""
        page = rows[: self.size]
        if len(rows) <= self.size:
            return page, ""
        return page, encode_page_token(position(page[-1]), query=self.query)


def asked_page(request: PagedRequest, *, query: str, maximum: int = MAX_PAGE_SIZE) -> AskedPage:
    """Raises InvalidArgument for a size outside of 1 to `maximum` and for a token that is none of this query."""
    return AskedPage(
        after=decode_page_token(request.page_token, query=query),
        size=page_size(request.page_size if request.HasField("page_size") else None, maximum=maximum),
        query=query,
    )


def encode_page_token(position: Position, *, query: str) -> str:
    """The token of the page after `position`: 43 characters that are safe in a URL."""
    microseconds = (position.time - _EPOCH) // timedelta(microseconds=1)
    packed = _LAYOUT.pack(microseconds, position.id.bytes, _digest(query))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_page_token(token: str | None, *, query: str) -> Position:
    """Where the page begins; `START` for no token or an empty one.

    Raises InvalidArgument for what is no token, or one of another query.
    """
    if not token:
        return START
    try:
        microseconds, id_bytes, digest = _LAYOUT.unpack(base64.b64decode(token + "=", altchars=b"-_", validate=True))
        if digest != _digest(query):
            raise _wrong_token("belongs to another list or to other filters")
        return Position(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=id_bytes))
    except (binascii.Error, struct.error, ValueError, OverflowError) as error:
        raise _wrong_token("is not a token that this list gave out") from error


def page_size(asked: int | None, *, maximum: int = MAX_PAGE_SIZE) -> int:
    """How many rows a page has: 20 when nothing was asked. Raises InvalidArgument outside of 1 to `maximum`."""
    if asked is None:
        return DEFAULT_PAGE_SIZE
    if not 1 <= asked <= maximum:
        raise InvalidArgument(fields=[FieldViolation("page_size", f"must be 1 to {maximum}, is {asked}")])
    return asked


def _wrong_token(why: str) -> InvalidArgument:
    return InvalidArgument(fields=[FieldViolation("page_token", f"{why}; begin again without it")])


def _digest(query: str) -> bytes:
    return hashlib.sha256(query.encode()).digest()[:8]
