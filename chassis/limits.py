"""What the fields of a request may hold, by their `(nextplay.api.v1.limits)` option: the one place that says so.

A server refuses everything else before its servicer is asked. The gateway publishes the limits in `/openapi.json` and
refuses by them before it calls; what it says is said here too. Left to whoever takes the value: what it is (an id, a
SHA-256), words, and how many characters a person counts in a text that may have so many.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.auth import optional_user
from chassis.errors import FieldViolation, InvalidArgument
from nextplay.api.v1 import options_pb2

CODE_POINTS = 12
"""Of how many code points a character is made at most: a family of emoji has eleven. Bounds what is stored."""

Serve: TypeAlias = Callable[[Any, Any], Any]
_Limited: TypeAlias = Sequence[tuple[FieldDescriptor, "_Limited"]]


def limited(request: Descriptor, serve: Serve) -> Serve:
    """`serve`, which takes a request and its context, behind a check of the request that raises InvalidArgument with
    everything that is wrong. `serve` itself where nothing of the request is limited."""
    fields = _limited(request)

    def serve_limited(request: Any, context: Any) -> Any:
        if wrong := list(_violations(request, fields, optional_user() is None)):
            raise InvalidArgument(fields=wrong)
        return serve(request, context)

    return serve_limited if fields else serve


def limits_of(field: FieldDescriptor) -> options_pb2.Limits:
    """The limits of a field; empty ones for a field without."""
    return field.GetOptions().Extensions[options_pb2.limits]


def violation(field: FieldDescriptor, value: Any, by_service: bool = False) -> str | None:
    """What is wrong with a value of the field, with an element of its list, or with the length of the list: the end of
    a sentence that begins with the field's name. None where nothing is, or where the service tells (`beyond`)."""
    limits = limits_of(field)
    if isinstance(value, str):
        most, length = limits.max_characters or limits.max_length, len(value)
        if length <= limits.max_characters * CODE_POINTS:
            length = min(length, most)
        told = f"must have {{:,}} to {{:,}} characters, has {{:,}} {'characters' if value.isascii() else 'code points'}"
        return _outside(told, limits.min_length, most or length, length)
    if not isinstance(value, int):
        told = "must have {:,} to {:,} entries, has {:,} entries"
        return _outside(told, limits.min_items, limits.max_items or len(value), len(value))
    widest = 2**64 - 1 if field.type == field.TYPE_UINT64 else 2**32 - 1
    most, unit = (by_service and limits.maximum_for_services) or limits.maximum or widest, f" {limits.unit}".rstrip()
    within = limits.minimum <= value <= (widest if limits.beyond else most)
    return None if within else f"must be {limits.minimum:,} to {most:,}{unit}, is {value:,}{unit}"


def _outside(told: str, least: int, most: int, number: int) -> str | None:
    return None if least <= number <= most else told.format(least, most, number)


def _limited(message: Descriptor) -> _Limited:
    """The fields to look at, each with those of the message in it."""
    found = []
    for field in message.fields:
        within = _limited(field.message_type) if field.message_type else ()
        if within or {one.name for one, _ in limits_of(field).ListFields()} - {"format", "words", "beyond"}:
            found.append((field, within))
    return found


def _violations(message: Message, fields: _Limited, by_service: bool, path: str = "") -> Iterator[FieldViolation]:
    for field, within in fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        name, value = path + field.name, getattr(message, field.name)
        if told := field.is_repeated and violation(field, value):
            yield FieldViolation(name, told)
            continue
        for index, one in enumerate(value if field.is_repeated else [value]):
            place = f"{name}[{index}]" if field.is_repeated else name
            if within:
                yield from _violations(one, within, by_service, f"{place}.")
            elif not field.message_type and (told := violation(field, one, by_service)):
                yield FieldViolation(place, told)
