"""From an HTTP request to the request message of an RPC.

What does not follow the published schema is refused before protobuf's own parser sees it: that one takes `"12"` for 12
and `videoId` for `video_id`, and its errors name inner types.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind
from starlette.requests import Request

from chassis.errors import FieldViolation, InvalidArgument
from chassis.limits import limits_of, violation
from gateway.contract import Comments, Endpoint
from gateway.problems import BodyTooLarge, BodyTooSlow, Unreadable, UnsupportedContentType
from gateway.schema import FORMATS, INTEGERS, request_schema

MAX_BODY_BYTES = 1024 * 1024
# A client that is cut off while it sends does not get to see the answer, so a longer body is read on for a while.
DISCARDED_BYTES = 16 * MAX_BODY_BYTES
MAX_VIOLATIONS = 20
MAX_SEQUENCE = 2**32 - 1
MAX_SHOWN = 160

ReadRequest = Callable[[Request], Awaitable[Message]]
"""Reads the request message of an HTTP request. Raises a `Failure`, or `ClientDisconnect`."""

_JSON = re.compile(r'application/json\s*(;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
# NUL, and the first or the second half of a surrogate pair without the other one.
_NO_CHARACTER = re.compile(
    rb"(?<!\\)(?:\\\\)*(\\u0000|\\ud[89ab]..(?!\\ud[c-f])|(?<!\\ud[89ab]..)\\ud[c-f]..)", re.IGNORECASE
)
_PARAMETERS = {
    **dict.fromkeys(INTEGERS, r"-?(0|[1-9][0-9]{0,19})"),
    FieldDescriptor.TYPE_BOOL: "true|false",
    FieldDescriptor.TYPE_DOUBLE: r"-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?",
}


def request_reader(endpoint: Endpoint, comments: Comments, body_seconds: float) -> ReadRequest:
    """What makes the request messages of an endpoint. A body has `body_seconds` to arrive.

    Raises `ValueError` for a message that has no schema.
    """
    validator = Draft202012Validator(request_schema(endpoint.other_fields, comments), validate_formats=True)
    fields = {field.name: field for field in endpoint.other_fields}
    nested = any(field.message_type for field in endpoint.other_fields)

    def parse(values: dict[str, Any]) -> Message:
        # What has no messages within it is made at once from values that follow the schema.
        return ParseDict(values, endpoint.request()) if nested else endpoint.request(**values)

    def unparsed(values: dict[str, Any]) -> Iterator[FieldViolation]:
        for name, value in values.items():
            try:
                parse({name: value})
            except (ParseError, ValueError):
                yield FieldViolation(name, f"has the form of its type and no value of it, is {_in_json(value)}")

    async def read(request: Request) -> Message:
        query, body = request.scope["query_string"], await _body(request, body_seconds)
        values = parse_json(body or b"{}") if endpoint.has_body else _query_values(request, fields)
        if unused := query if endpoint.has_body else body:
            name = "query" if endpoint.has_body else "body"
            raise Unreadable(f"This request takes no {name}; {len(unused):,} bytes were sent.")
        try:
            if not validator.is_valid(values):
                errors = islice(validator.iter_errors(values), MAX_VIOLATIONS)
                if wrong := [one for error in errors for one in _violations(error, fields)]:
                    raise InvalidArgument(fields=wrong[:MAX_VIOLATIONS])
        except ValueError as error:
            raise Unreadable("The request is nested too deeply, or holds half of a surrogate pair.") from error
        if b"%00" in request.scope["raw_path"] + query:
            raise Unreadable("The NUL character (%00) is not allowed.")
        try:
            return parse(values | request.path_params)
        except (ParseError, ValueError) as error:
            raise InvalidArgument(fields=list(unparsed(values))) from error

    return read


async def _body(request: Request, seconds: float) -> bytes:
    """The body: at most 1 MiB, and JSON by its type."""
    if not {b"content-length", b"transfer-encoding"} & {name for name, _ in request.scope["headers"]}:
        return b""
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                size += len(chunk)
                body += chunk if size <= MAX_BODY_BYTES else b""
                if size > DISCARDED_BYTES:
                    break
    except TimeoutError as error:
        raise BodyTooSlow(f"{size:,} bytes of the body came in {seconds:g} s, and not its end.") from error
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge(f"The body has at least {size:,} bytes; the limit is {MAX_BODY_BYTES:,} bytes (1 MiB).")
    content_type, encoding = (request.headers.get(f"content-{name}", "") for name in ("type", "encoding"))
    if body and (encoding or not _JSON.fullmatch(content_type)):
        sent = _shown(f"{encoding} {content_type or 'no Content-Type'}".strip())
        raise UnsupportedContentType(f"The body is {sent}; application/json in UTF-8, not encoded, is accepted.")
    return bytes(body)


def parse_json(body: bytes) -> Any:
    """The JSON value of a body. Raises `Unreadable`, saying where it is not plain, unambiguous JSON in UTF-8."""
    try:
        value = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_constant, parse_float=_number)
    except UnicodeDecodeError as error:
        raise Unreadable(f"The body is not UTF-8: byte {error.start + 1:,} belongs to no character.") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"The body is not JSON: see line {error.lineno}, column {error.colno}.") from error
    except (RecursionError, ValueError) as error:
        raise Unreadable("The body is nested deeper, or holds a number longer, than any field takes.") from error
    if found := _NO_CHARACTER.search(body):
        escape, place = found[1].decode("ascii", "replace"), found.start(1) + 1
        raise Unreadable(f"{escape} at byte {place:,} is no character: it is NUL or half of a surrogate pair.")
    return value


def _constant(name: str) -> NoReturn:
    """Refuses what Python takes beyond JSON."""
    raise Unreadable(f"The body is not JSON: {name} is no number there.")


def _number(text: str) -> float:
    """12.0 is an integer to JSON Schema, and none to protobuf."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidArgument(fields=[FieldViolation(_shown(name), "stands twice in one object")])
        found[name] = value
    return found


def _query_values(request: Request, fields: Mapping[str, FieldDescriptor]) -> dict[str, Any]:
    """The JSON values of the query's parameters. Text that stands for none stays, for the schema to refuse."""
    try:
        query = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=100) if query else []
    except ValueError as error:
        raise Unreadable("The query is not percent-encoded UTF-8, or has more than 100 parameters.") from error
    if "after_sequence" in fields and (seen := request.headers.get("last-event-id")):
        if not re.fullmatch("0|[1-9][0-9]{0,9}", seen) or int(seen) > MAX_SEQUENCE:
            rule = f"must be the id of an event, 0 to {MAX_SEQUENCE:,}, is {_in_json(seen)}"
            raise InvalidArgument(fields=[FieldViolation("Last-Event-ID", rule)])
        pairs = [(name, text) for name, text in pairs if name != "after_sequence"] + [("after_sequence", seen)]
    values: dict[str, Any] = {}
    for name, text in pairs:
        field = fields.get(name)
        value = json.loads(text) if field and re.fullmatch(_PARAMETERS.get(field.type, "(?!)"), text) else text
        if field and field.is_repeated:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidArgument(fields=[FieldViolation(_shown(name), "stands twice; one value is expected")])
        else:
            values[name] = value
    return values


def _violations(error: ValidationError, fields: Mapping[str, FieldDescriptor]) -> Iterator[FieldViolation]:
    """What an error of the schema is in the words of the contract; nothing where the service has its own for it."""
    field: FieldDescriptor | None = None
    name = ""
    for part in error.instance_path:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            field, name = fields[part], f"{name}.{part}".removeprefix(".")
            fields = field.message_type.fields_by_name if field.message_type else {}
    match error.kind:
        case ValidationErrorKind.Required(property=missing):
            yield FieldViolation(f"{name}.{missing}".removeprefix("."), "is required")
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            known = f"is unknown; known are: {', '.join(fields) or 'none'}"
            for unknown in names[:MAX_VIOLATIONS]:
                yield FieldViolation(_shown(f"{name}.{unknown}".removeprefix(".")), known)
        case _:
            if told := _told(error, field):
                yield FieldViolation(name, _shown(told))


def _told(error: ValidationError, field: FieldDescriptor | None) -> str | None:
    """What is wrong with the value at which an error points."""
    value, shown = error.instance, _in_json(error.instance)
    match error.kind:
        case ValidationErrorKind.Type(types=types):
            return f"must be of type {' or '.join(types)}, is {shown}"
        case ValidationErrorKind.Enum() if field and field.enum_type:
            words = ", ".join(word.name for word in field.enum_type.values if word.number)
            return f"must be one of {words}, is {shown}"
        case ValidationErrorKind.Enum():
            return None
        case ValidationErrorKind.Format() | ValidationErrorKind.Pattern() if field and limits_of(field).format:
            return f"must be {FORMATS[limits_of(field).format][0]}, is {shown}"
        case ValidationErrorKind.Format(format=format):
            return f"must be a {format}, is {shown}"
        case ValidationErrorKind.Minimum() | ValidationErrorKind.Maximum() if not isinstance(value, int):
            return None  # told as a wrong type
        case _ if field is None:
            return error.message
        case ValidationErrorKind.MinItems():
            return violation(field, value) or "is an empty list; leave it out or give at least one element"
        case _:
            return violation(field, value)


def _in_json(value: Any) -> str:
    return _shown(json.dumps(value, ensure_ascii=False))


def _shown(text: str) -> str:
    """A text with something of the caller's in it, at a length that fits into an answer; both of its ends stay."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]} … {text[-MAX_SHOWN // 2 :]}"
