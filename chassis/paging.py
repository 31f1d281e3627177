"""Pages of a list by keyset: a page begins after a position, so it costs the same however far one has read.

    asked = asked_page(request, query=f"feed {user_id}")
    rows = await reads.list_feed(user_id, asked.after, asked.limit)
    page, next_page_token = asked.cut(rows, lambda row: Position(row.published_at, row.video_id))

All our lists are in the order of a time and an id. A token is opaque to clients and bound to its query: to the list,
its filters and whose it is. It is not signed, because it says nothing but where to go on: what may be seen is decided
anew on every page.
"""

import base64
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
_MICROSECOND = timedelta(microseconds=1)
_TOKEN = struct.Struct(">q16s8s")  # microseconds since 1970, the id, the query


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the time and the id of its last row."""

    time: datetime
    id: UUID


START = Position(datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1))
"""Before the first row of a list that begins with the latest."""


class PagedRequest(Protocol):
    """A request message with an optional page_size and an optional page_token."""

    page_size: int
    page_token: str

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
        return page, encode_token(position(page[-1]), self.query) if len(rows) > self.size else ""


def asked_page(request: PagedRequest, *, query: str, maximum: int = MAX_PAGE_SIZE) -> AskedPage:
    """The first page without a token, and 20 rows without a size.

    Raises InvalidArgument for a size outside of 1 to `maximum` and for a token that is none of this query.
    """
    size = request.page_size if request.HasField("page_size") else DEFAULT_PAGE_SIZE
    if not 1 <= size <= maximum:
        raise InvalidArgument(fields=[FieldViolation("page_size", f"must be 1 to {maximum}, is {size}")])
    return AskedPage(decode_token(request.page_token, query) if request.page_token else START, size, query)


def encode_token(position: Position, query: str) -> str:
    """The token of the page after `position`: 43 characters that are safe in a URL."""
    packed = _TOKEN.pack((position.time - _EPOCH) // _MICROSECOND, position.id.bytes, _digest(query))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def decode_token(token: str, query: str) -> Position:
    """Raises InvalidArgument for what is no token, or one of another query."""
    try:
        microseconds, id_bytes, digest = _TOKEN.unpack(base64.b64decode(token + "=", altchars=b"-_", validate=True))
        if digest == _digest(query):
            return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=id_bytes))
        why = "belongs to another list or to other filters"
    except (struct.error, ValueError, OverflowError):
        why = "is not a token that this list gave out"
    raise InvalidArgument(fields=[FieldViolation("page_token", f"{why}; begin again without it")])


def _digest(query: str) -> bytes:
    return hashlib.sha256(query.encode()).digest()[:8]
