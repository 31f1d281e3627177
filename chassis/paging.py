"""Pages of a list by keyset: a page begins after a position, so it costs the same however far one has read.

    after = decode_page_token(request.page_token, query=f"feed {user_id}")
    rows = await reads.feed(user_id, after, limit=page_size(...) + 1)
    token = encode_page_token(Position(last.published_at, last.video_id), query=f"feed {user_id}")

All our lists are in the order of a time and an id. A token is opaque to clients and bound to its query: to the list,
its filters and whose it is. It is not signed, because it says nothing but where to go on: what may be seen is decided
anew on every page.
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument

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
