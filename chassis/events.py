"""Events on the wire: CloudEvents in Kafka's binary mode, addressed by an option of the event's own message.

An event message says where it travels, `option (nextplay.api.v1.event) = {topic: "…", key: "video_id"}`, so neither
producer nor consumer names a topic. The payload is the message, the headers are `ce_id`, `ce_type` (the full proto
name), `ce_source`, `ce_time`, `ce_subject` (the key), `ce_specversion`, `content-type`, and those of the trace
(chassis/tracing).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from google.protobuf.message import DecodeError, Message

from chassis.clock import new_id, utc_now
from chassis.tracing import carried
from nextplay.api.v1 import options_pb2

CONTENT_TYPE = "application/protobuf"


@dataclass(frozen=True)
class EventMeta:
    """What is known about an event beside its payload.

    `id` is the same for every delivery of the event, on every way; `type` the full proto name; `source` the context
    that emitted it (`/nextplay/upload`); `time` when it was emitted, aware UTC.
    """

    id: UUID
    type: str
    source: str
    time: datetime


class Undecodable(ValueError):
    """A record that is not an event: a header is missing or malformed, or the payload is not the message it names."""


def describe(event: Message) -> EventMeta:
    """The meta of a new event: a fresh id, now, and the context of its package as source."""
    full_name = event.DESCRIPTOR.full_name
    source = "/" + "/".join(full_name.split(".")[:2])
    return EventMeta(id=new_id(), type=full_name, source=source, time=utc_now())


def topic_of(event: Message | type[Message]) -> str:
    """The topic on which events of this type travel. Raises TypeError for a message without the event option."""
    return _address(event).topic


def key_of(event: Message) -> str:
    """The Kafka key: the value of the field that the option names. Raises ValueError when that field is empty."""
    field = _address(event).key
    key = str(getattr(event, field))
    if not key:
        raise ValueError(f"{event.DESCRIPTOR.full_name}.{field} is the event's key and must not be empty")
    return key


def encode(event: Message, meta: EventMeta) -> tuple[str, str, dict[str, str], bytes]:
    """The record of an event: topic, key, headers and payload. Raises what `topic_of` and `key_of` raise."""
    return topic_of(event), key_of(event), encode_headers(event, meta), event.SerializeToString()


def encode_headers(event: Message, meta: EventMeta) -> dict[str, str]:
    """The Kafka headers, the current span's trace context included."""
    return {
        "ce_specversion": "1.0",
        "ce_id": str(meta.id),
        "ce_type": meta.type,
        "ce_source": meta.source,
        "ce_time": meta.time.isoformat(),
        "ce_subject": key_of(event),
        "content-type": CONTENT_TYPE,
        **carried(event),
    }


def header_text(headers: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    """Kafka headers as text; bytes that are not UTF-8 are replaced, because a header must never stop a consumer."""
    return {name: value.decode("utf-8", "replace") for name, value in headers if value is not None}


def decode(
    headers: Mapping[str, str], value: bytes | None, types: Collection[type[Message]]
) -> tuple[EventMeta, Message] | None:
    """The event of a record, or None for a type that is not in `types` (a newer producer: skip it).

    Raises Undecodable.
    """
    if "ce_type" not in headers or "ce_id" not in headers:
        raise Undecodable("the record has no ce_type or no ce_id header")
    event_type = next((one for one in types if one.DESCRIPTOR.full_name == headers["ce_type"]), None)
    if event_type is None:
        return None
    if headers.get("content-type", CONTENT_TYPE) != CONTENT_TYPE:
        raise Undecodable(f"content-type is {headers['content-type']!r}, expected {CONTENT_TYPE!r}")
    try:
        meta = EventMeta(
            id=UUID(headers["ce_id"]),
            type=headers["ce_type"],
            source=headers.get("ce_source", ""),
            time=datetime.fromisoformat(headers["ce_time"]),
        )
        return meta, event_type.FromString(value or b"")
    except (KeyError, ValueError, DecodeError) as error:
        raise Undecodable(f"not a {headers['ce_type']}: {type(error).__name__}: {error}") from error


def _address(event: Message | type[Message]) -> options_pb2.Event:
    options = event.DESCRIPTOR.GetOptions()
    if not options.HasExtension(options_pb2.event):
        raise TypeError(f"{event.DESCRIPTOR.full_name} has no option (nextplay.api.v1.event)")
    return options.Extensions[options_pb2.event]
