"""One trace through all processes: spans, and what carries them over gRPC, Kafka, the outbox and the rows of work.

What travels are two of W3C's headers: `traceparent`, and in `baggage` the ids of the video and the upload that it all
is about. Of baggage nothing else is taken on, and of an id nothing but a UUID, so that nobody's words get into it.
Each span has these ids as the attributes `nextplay.video_id` and `nextplay.upload_id`.

    with tracing.span("transcode", context=tracing.resumed(run.traceparent, video_id=run.job.video_id)):

Attributes hold ids, codes, names of ours and numbers, and never what a person wrote, sent or is called by. So the
message of an exception is none: a span has its class alone, and the log the rest under the same trace id.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import time_ns
from typing import TypeAlias
from uuid import UUID

from google.protobuf.message import Message
from opentelemetry import baggage, trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

Attributes: TypeAlias = Mapping[str, AttributeValue]
Headers: TypeAlias = Mapping[str, str | None] | Mapping[str, str]

SLOW_SECONDS = 1.0
"""A read that goes well and takes no longer has no line in a service's log, where metrics count it and the gateway has
a line; and it is told to no collector, unless its client began the trace."""
UNTOLD = "nextplay.untold"
STREAMS = ("/events", "/stream")
"""What the paths of streams end with."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAMED = {"video_id": "nextplay.video_id", "upload_id": "nextplay.upload_id"}
_IS_UUID = re.compile(_UUID)
_IN_BAGGAGE = re.compile(rf"(nextplay\.(?:video|upload)_id)=({_UUID})(?=\s*[,;]|\s*$)")
_PROPAGATOR = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("nextplay")


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    *,
    context: Context | None = None,
    links: Sequence[Link] = (),
    marks_errors: bool = True,
) -> Iterator[Span]:
    """A span around the block, in `context` (what `received` tells; the present one if None).

    An exception that leaves the block marks it as failed, unless who opens it does that (`failed`).
    """
    opened = _tracer.start_span(name, context, kind, attributes, links)
    with within(context), trace.use_span(opened, True, record_exception=False, set_status_on_exception=False):
        try:
            yield opened
        except Exception as error:
            if marks_errors:
                failed(opened, type(error).__name__)
            raise


@contextmanager
def within(context: Context | None) -> Iterator[None]:
    """What happens in the block happens in that context, if there is one."""
    token = attach(get_current() if context is None else context)
    try:
        yield
    finally:
        detach(token)


def afterwards(name: str, kind: SpanKind, attributes: Attributes, seconds: float, context: Context) -> Span:
    """A span of what has taken so long and turned out to be worth telling; to be ended."""
    return _tracer.start_span(name, context, kind, attributes, start_time=time_ns() - int(seconds * 1e9))


def unrecorded(context: Context) -> Context:
    """The same trace, of which nothing is recorded."""
    at = trace.get_current_span(context).get_span_context()
    return trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(at.trace_id, at.span_id, True)), context)


def failed(span: Span, error_type: str) -> None:
    """Mark a span as failed; `error_type` is a code or the name of a class."""
    span.set_attribute("error.type", error_type)
    span.set_status(StatusCode.ERROR)


def tell_http(span: Span, verb: str, route: str, status: int) -> None:
    """What is known of an HTTP request when it is answered. `route` is a template: paths may hold anything.

    A read that began the trace, went well and was fast is marked as not to be told to a collector; not a stream, whose
    status says nothing of how it ended.
    """
    span.update_name(f"{verb} {route}")
    span.set_attributes({"http.request.method": verb, "http.route": route, "http.response.status_code": status})
    if status >= 500:
        failed(span, str(status))
    fast = isinstance(span, SdkSpan) and not span.parent and time_ns() - (span.start_time or 0) < SLOW_SECONDS * 1e9
    if fast and status < 400 and verb in ("GET", "HEAD") and not route.endswith(STREAMS):
        span.set_attribute(UNTOLD, True)


def received(headers: Headers, message: Message | None = None) -> Context:
    """The context of what came with these headers: its trace, and the video and the upload that its baggage or the
    message itself names. Wrong or missing headers begin a new trace."""
    context = _PROPAGATOR.extract({"traceparent": headers.get("traceparent") or ""}, Context())
    parent = trace.get_current_span(context).get_span_context()
    if parent.is_valid and not parent.trace_flags.sampled:
        return context  # nobody sees it
    return _with(context, dict(_IN_BAGGAGE.findall(headers.get("baggage") or "")) | ids_of(message))


def resumed(traceparent: str | None, **ids: UUID | None) -> Context:
    """The context that a row of work has kept: the trace in which it was asked for, and the `video_id` and `upload_id`
    that it is about."""
    return _with(received({"traceparent": traceparent}), {_NAMED[name]: str(id) for name, id in ids.items() if id})


def carried(message: Message | None = None) -> dict[str, str]:
    """The headers for what is sent now, which is `message` or about the same as the present span; empty without one."""
    traceparent = traceparent_of_current_span()
    if traceparent is None:
        return {}
    headers = {"traceparent": traceparent}
    if is_recorded(headers) and (ids := {**baggage.get_all(), **ids_of(message)}):
        headers["baggage"] = ",".join(f"{name}={value}" for name, value in ids.items())
    return headers


def ids_of(message: Message | None) -> dict[str, str]:
    """What a message says of the video and the upload that it is about, as attributes."""
    fields = message.DESCRIPTOR.fields_by_name if message is not None else {}
    said = {attribute: getattr(message, field) for field, attribute in _NAMED.items() if field in fields}
    return {name: value for name, value in said.items() if isinstance(value, str) and _IS_UUID.fullmatch(value)}


def about(message: Message) -> Context:
    """The present context with the video and the upload that a message names, which the present span learns too."""
    context, span = get_current(), trace.get_current_span()
    if not span.is_recording():
        return context
    ids = ids_of(message)
    span.set_attributes(ids)
    return _with(context, ids)


def is_recorded(headers: Headers) -> bool:
    """Whether these headers belong to a trace that is recorded: the lowest bit of the flags, which end them."""
    return (headers.get("traceparent") or "0")[-1] in "13579bdf"


def joint_span(name: str, traces: Collection[Headers]) -> AbstractContextManager[object]:
    """A span of work in which several traces meet: in a trace of its own, with a link to each of them. None for one,
    which shows the work itself."""
    links = [_link(headers) for headers in traces if is_recorded(headers)]
    return span(name, links=links, context=Context()) if len(links) > 1 else nullcontext()


def span_apart(name: str, headers: Headers) -> AbstractContextManager[Span]:
    """A span in a trace of its own, with a link to the one of these headers and with its ids."""
    context = trace.set_span_in_context(trace.INVALID_SPAN, received(headers))
    return span(name, links=[_link(headers)] if is_recorded(headers) else [], context=context)


def _link(headers: Headers) -> Link:
    return Link(trace.get_current_span(received(headers)).get_span_context())


def traceparent_of_current_span() -> str | None:
    """The W3C `traceparent` of the current span, to be kept in a row; None without one."""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None


def current_trace_id() -> str | None:
    """The 32 hexadecimal digits of the current trace; None without one."""
    return (traceparent_of_current_span() or "")[3:35] or None


def _with(context: Context, ids: Mapping[str, str]) -> Context:
    for name, value in ids.items():
        context = baggage.set_baggage(name, value, context)
    return context


class IdsOfBaggage(SpanProcessor):
    """Gives each span the ids that its baggage names."""

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        span.set_attributes({name: str(value) for name, value in baggage.get_all(parent_context).items()})
