"""Checks of request fields that every servicer makes."""

import contextlib
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument


def parse_uuid(field: str, value: str) -> UUID:
    """The id in the request's `field` (its path: `parts[2].upload_id`). Raises InvalidArgument, naming the field."""
    with contextlib.suppress(ValueError):
        parsed = UUID(value)
        if str(parsed) == value.lower():  # UUID() also takes braces, urn:uuid: and hyphens anywhere
            return parsed
    rule = f"must be a UUID like 550e8400-e29b-41d4-a716-446655440000, is {value[:64]!r}" if value else "is missing"
    raise InvalidArgument(fields=[FieldViolation(field, rule)])
