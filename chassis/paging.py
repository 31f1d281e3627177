"""Pages of a list by keyset: a page begins after a position, so it costs the same however far one has read.

    asked = asked_page(request, key=page_key, query=f"feed {user_id}")
    rows = await reads.list_feed(user_id, asked.after, asked.limit)
    page, next_page_token = asked.cut(rows, lambda row: Position(row.published_at, row.video_id))

All our lists are in the order of a time and an id. A token is opaque to clients, signed with a key that all instances
share, and bound to its query: to the list, its filters and who asks. It names the last row that was shown, so rows that
are added meanwhile move nothing; what may be seen is decided anew on every page.
"""

import base64
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument

R = TypeVar("R")

DEFAULT_PAGE_SIZE = 20

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSITION = struct.Struct(">q16s")  # microseconds since 1970, the id
_MAC_BYTES = 16


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
    key: bytes = field(repr=False)

    @property
    def limit(self) -> int:
        """How many rows to read: one more than is shown tells whether another page follows."""
        return self.size + 1

    def cut(self, rows: Sequence[R], position: Callable[[R], Position]) -> tuple[Sequence[R], str]:
        """The rows to show, and the token of the next page; an empty one on the last page."""
        page = rows[: self.size]
        return page, encode_token(position(page[-1]), self.key, self.query) if len(rows) > self.size else ""


def asked_page(request: PagedRequest, *, key: bytes, query: str) -> AskedPage:
    """The first page without a token, and 20 rows without a size, which the server has checked (chassis/limits).
    `query` names the list, its filters and who asks. Raises InvalidArgument for a token that we did not make for it.
    """
    size = request.page_size if request.HasField("page_size") else DEFAULT_PAGE_SIZE
    after = decode_token(request.page_token, key, query) if request.page_token else START
    return AskedPage(after, size, query, key)


def encode_token(position: Position, key: bytes, query: str) -> str:
    """The token of the page after `position`: 54 characters that are safe in a URL."""
    packed = _POSITION.pack((position.time - _EPOCH) // _MICROSECOND, position.id.bytes)
    return base64.urlsafe_b64encode(packed + _mac(packed, key, query)).rstrip(b"=").decode()


def decode_token(token: str, key: bytes, query: str) -> Position:
    """Raises InvalidArgument for what is no token of ours, or one of another query."""
    try:
        decoded = base64.b64decode(token + "==", altchars=b"-_", validate=True)
        packed, mac = decoded[: _POSITION.size], decoded[_POSITION.size :]
        microseconds, id_bytes = _POSITION.unpack(packed)
        if hmac.compare_digest(mac, _mac(packed, key, query)):
            return Position(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=id_bytes))
    except (struct.error, ValueError):
        pass
    rule = "is not a token that this list gave to you with these filters; begin again without it"
    raise InvalidArgument(fields=[FieldViolation("page_token", rule)])


def _mac(packed: bytes, key: bytes, query: str) -> bytes:
    return hmac.digest(key, b"page" + packed + query.encode(), "sha256")[:_MAC_BYTES]
