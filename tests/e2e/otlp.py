"""A collector that remembers the spans it was sent, by OTLP over gRPC."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1 import trace_pb2


@dataclass(frozen=True)
class Span:
    """What a process told of one span. `process` is its service.name, `text` all that is in words."""

    process: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: Sequence[tuple[str, str]]
    attributes: Mapping[str, Any]
    failed: bool
    text: str = field(repr=False)


@dataclass
class Collector:
    """`endpoint` is for OTEL_EXPORTER_OTLP_ENDPOINT."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)

    def of_trace(self, trace_id: str) -> Mapping[str, Span]:
        """The spans of a trace by their ids."""
        return {one.span_id: one for one in self.spans[:] if one.trace_id == trace_id}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that runs until the block ends."""
    collector = Collector()

    def take_spans(request: Any, context: object) -> Any:
        for resource in request.resource_spans:
            process = _values(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                collector.spans.extend(_span(process, one) for one in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def take_metrics(request: Any, context: object) -> Any:
        return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(4))
    register: Any
    for register, take in (
        (trace_service_pb2_grpc.add_TraceServiceServicer_to_server, take_spans),
        (metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server, take_metrics),
    ):
        register(type("Servicer", (), {"Export": staticmethod(take)})(), server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()


def _span(process: str, one: trace_pb2.Span) -> Span:
    return Span(
        process=process,
        name=one.name,
        kind=trace_pb2.Span.SpanKind.Name(one.kind).removeprefix("SPAN_KIND_"),
        trace_id=one.trace_id.hex(),
        span_id=one.span_id.hex(),
        parent_id=one.parent_span_id.hex(),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in one.links],
        attributes=_values(one.attributes),
        failed=one.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        text=" ".join(
            map(str, [one.name, one.attributes, one.events, one.status, *(link.attributes for link in one.links)])
        ),
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    which = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if which == "array_value" else getattr(value, which or "")
