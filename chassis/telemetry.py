"""Logs, metrics and traces of a process, all on OpenTelemetry and the standard library.

Logs are one line of JSON per event on stderr, in the shape of

    {"timestamp": "2025-12-25T12:00:00.000Z", "level": "INFO", "service": "upload", "event": "upload_initiated",
     "user_id": "…", …, "trace_id": "…", "span_id": "…"}

    log = telemetry.logger(__name__)
    log.info("upload_initiated", user_id=user_id, file_size_bytes=size)

Metrics are made with `opentelemetry.metrics.get_meter(...)`, in the metrics.py of each package, with a description and
a unit; /metrics prints them for Prometheus. Traces leave the process only if an OTLP endpoint is set.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import prometheus_client
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import TelemetrySettings

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)
"""Boundaries in seconds for histograms of durations (`explicit_bucket_boundaries_advisory`)."""


class Logger:
    """Writes events: a snake_case name in the past tense, and fields. Never pass a token, a key or a signed URL."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, **fields: object) -> None:
        """Something that only helps while searching for a fault."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Something that happened as it should."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something that went wrong and was coped with."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something that somebody must look at. Inside an `except` block the line has the stack."""
        self._write(logging.ERROR, event, fields, exc_info=sys.exc_info()[0] is not None)

    def _write(self, level: int, event: str, fields: dict[str, object], exc_info: bool = False) -> None:
        self._logger.log(level, "%s", event, exc_info=exc_info, extra={"fields": fields})


def logger(name: str) -> Logger:
    """The logger of a module; call it with `__name__`."""
    return Logger(name)


@contextmanager
def open_telemetry(service: str, settings: TelemetrySettings) -> Iterator[None]:
    """Logs, metrics and traces for as long as the block runs; `service` is the name in each line and span."""
    raise NotImplementedError
    yield


def metrics_text() -> bytes:
    """All metrics of the process in Prometheus' text format."""
    return prometheus_client.generate_latest()


def traceparent_of_current_span() -> str | None:
    """The W3C `traceparent` of the current span, to be carried in an outbox row or a Kafka header; None without one."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")


def context_from(traceparent: str | None) -> otel_context.Context:
    """The trace context of a `traceparent`, for `tracer.start_as_current_span(…, context=context_from(header))`."""
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent} if traceparent else {})


def current_trace_id() -> str | None:
    """The 32 hexadecimal digits of the current trace; None without one."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None
