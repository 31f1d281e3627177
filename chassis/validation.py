"""Checks of request fields that every servicer makes."""

import re
from uuid import UUID

from chassis.errors import FieldViolation, InvalidArgument

_CANONICAL = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""UUID() also takes braces, urn:uuid: and hyphens anywhere."""


def parse_uuid(field: str, value: str) -> UUID:
    """The id in the request's `field` (its path: `parts[2].upload_id`). Raises InvalidArgument, naming the field."""
    if _CANONICAL.fullmatch(value):
        return UUID(value)
    rule = f"must be a UUID like 550e8400-e29b-41d4-a716-446655440000, is {value[:64]!r}" if value else "is missing"
    raise InvalidArgument(fields=[FieldViolation(field, rule)])
