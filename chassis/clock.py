"""Time and ids. Both are passed in as parameters, so that tests decide them."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import uuid_utils.compat

Clock = Callable[[], datetime]  # tells the present time; leases, expiry and limits use PostgreSQL's clock instead
NewId = Callable[[], uuid.UUID]  # makes a fresh id


def utc_now() -> datetime:
    """The present time, aware and in UTC."""
    return datetime.now(UTC)


def new_id() -> uuid.UUID:
    """A fresh UUIDv7: unique, and sorted by the time of its making in one process."""
    return uuid_utils.compat.uuid7()
