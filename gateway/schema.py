"""JSON Schemas of protobuf messages: requests are validated against them, and `/openapi.json` publishes them.

A request's is strict: no unknown names, and an element in every list that is sent. In a reply's, every field that is
not `optional` is always there."""

from collections.abc import Callable, Iterable
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.limits import CODE_POINTS, limits_of
from gateway.contract import Comments
from nextplay.api.v1 import options_pb2

Schema = dict[str, Any]

INTEGERS: dict[int, Schema] = {
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "uint32", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_UINT64: {"type": "integer", "format": "uint64", "minimum": 0, "maximum": 2**64 - 1},
}
_SCALARS: dict[int, Schema] = {
    **INTEGERS,
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number", "format": "double"},
}
FORMATS: dict[int, tuple[str, Schema]] = {
    options_pb2.UUID: ("a UUID like 550e8400-e29b-41d4-a716-446655440000", {"format": "uuid"}),
    options_pb2.SHA256_BASE64: ("a SHA-256 in base64 (44 characters)", {"pattern": "^[A-Za-z0-9+/]{43}=$"}),
}
"""What the formats of texts are in words and in a schema."""
_WELL_KNOWN: dict[str, Schema] = {"google.protobuf.Timestamp": {"type": "string", "format": "date-time"}}
_BEHAVIOR: Any = field_behavior_pb2.field_behavior


def request_schema(fields: Iterable[FieldDescriptor], comments: Comments) -> Schema:
    """The object that holds these fields of a request. Raises `ValueError` for a type without a JSON rule."""
    properties, required = {}, []
    for field in fields:
        schema = _field(field, comments, lambda message: request_schema(message.fields, comments))
        properties[field.name] = ({"minItems": 1} if field.is_repeated else {}) | schema
        if field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[_BEHAVIOR]:
            required.append(field.name)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def publish_reply(message: Descriptor, comments: Comments, published: dict[str, Schema]) -> Schema:
    """A reference to a message of a reply, which is added to `published` by its name with all messages within it."""
    if message.name not in published:
        schema = published[message.name] = {"type": "object", "properties": {}}
        schema["description"] = comments.get(message.full_name, "")
        for field in message.fields:
            one = _field(field, comments, lambda inner: publish_reply(inner, comments, published))
            schema["properties"][field.name] = one
        schema["required"] = [field.name for field in message.fields if field.containing_oneof is None]
    return {"$ref": f"#/components/schemas/{message.name}"}


def _field(field: FieldDescriptor, comments: Comments, inner: Callable[[Descriptor], Schema]) -> Schema:
    told = comments.get(field.full_name, "")
    if (message := field.message_type) is not None:
        schema = _WELL_KNOWN.get(message.full_name) or inner(message)
    elif (enum := field.enum_type) is not None:
        words = [value.name for value in enum.values if value.number]
        told += "".join(f"\n- `{word}`: {comments.get(f'{enum.full_name}.{word}', '')}" for word in words)
        schema = {"type": "string", "enum": words}
    elif field.type in _SCALARS:
        schema = _SCALARS[field.type]
    else:
        raise ValueError(f"{field.full_name}: there is no JSON rule for its type")
    schema = schema | _limits(field)
    if field.is_repeated:
        most = limits_of(field).max_items
        schema = {"type": "array", "items": schema} | ({"maxItems": most} if most else {})
    return schema | {"description": told}


def _limits(field: FieldDescriptor) -> Schema:
    """What the `limits` option says of a value. A text that people read is counted in code points here, as JSON Schema
    counts: many enough for every text of as many characters as a person counts, `x-max-characters`."""
    limits = limits_of(field)
    found = {
        "minimum": limits.minimum,
        "maximum": limits.maximum,
        "minLength": limits.min_length,
        "maxLength": limits.max_length or limits.max_characters * CODE_POINTS,
        "x-max-characters": limits.max_characters,
        "enum": list(limits.words),
    }
    return {name: value for name, value in found.items() if value} | FORMATS.get(limits.format, ("", {}))[1]
