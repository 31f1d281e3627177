"""Messages as JSON values, in protobuf's own mapping and with the fields' own names: what has no presence is always
there. Which field is printed how is found out once for each type, because replies are most of what a gateway does."""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Print = Callable[[Any], Any]


def printed(message: Message) -> dict[str, Any]:
    """The JSON object of a message that has a schema (gateway.schema): no bytes, maps or 64-bit integers."""
    values = {}
    for name, has_presence, is_repeated, show in _fields(message.DESCRIPTOR):
        if not has_presence or message.HasField(name):
            value = getattr(message, name)
            if is_repeated:
                values[name] = [show(one) for one in value] if show else list(value)
            else:
                values[name] = show(value) if show else value
    return values


@cache
def _fields(message: Descriptor) -> list[tuple[str, bool, bool, Print | None]]:
    return [(field.name, field.has_presence, field.is_repeated, _print(field)) for field in message.fields]


def _print(field: FieldDescriptor) -> Print | None:
    """How a value of the field is printed; None where it is its own JSON value."""
    if field.message_type is not None:
        return Timestamp.ToJsonString if field.message_type.full_name == Timestamp.DESCRIPTOR.full_name else printed
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    return None
