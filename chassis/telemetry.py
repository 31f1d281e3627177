"""Logs, metrics and traces of a process, all on OpenTelemetry and the standard library.

Logs are one line of JSON per event on stderr, in the shape of

    {"timestamp": "2025-12-25T12:00:00.000Z", "level": "INFO", "service": "upload", "event": "upload_initiated",
     "user_id": "…", …, "trace_id": "…", "span_id": "…"}

    log = telemetry.logger(__name__)
    log.info("upload_initiated", user_id=user_id, file_size_bytes=size)

Metrics are made with `opentelemetry.metrics.get_meter(...)`, in the metrics.py of each package, with a description and
a unit; /metrics prints them for Prometheus. Traces leave the process only if an OTLP endpoint is set.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, DEFAULT_ON
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from chassis.settings import TelemetrySettings

_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0]
SECONDS: dict[str, Any] = {"unit": "s", "explicit_bucket_boundaries_advisory": _BUCKETS}
"""What histograms of durations are created with."""
EXPORT_SECONDS = 2

_ROOT = "nextplay"  # our loggers hang below it, so that their level is set apart from the libraries'
_PROPAGATOR = TraceContextTextMapPropagator()
# What must not be read in a log, wherever it came from: bearer tokens and JWTs, passwords in URLs, signed queries,
# and fields that are named like secrets.
_SECRETS = re.compile(
    r"""(?P<field>"\w*(?:password|secret|authorization|api_key|token)\w*":\s")(?:[^"\\]|\\.)*
      | (?P<before>bearer\s+|[?&](?:token|Signature|X-Amz-(?:Signature|Credential|Security-Token))=)[^"\\\s&]+
      | (?P<user>://[^:/@"\s]+:)[^@"\s]+(?=@)
      | eyJ[\w-]{8,}\.[\w-]+\.[\w-]*""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these is in each of them. Almost no line has one, and looking for words costs a tenth of the expression.
_SIGNS = ("password", "secret", "authorization", "api_key", "token", "bearer", "amz", "signature", "://", "eyj")
_ENCODE = json.JSONEncoder(default=str, ensure_ascii=False).encode


class Logger:
    """Writes events: a snake_case name in the past tense, and fields. Never pass a token, a key or a signed URL.

    info: happened as it should; warning: went wrong and was coped with;
    error: somebody must look at it. An error has the stack of `cause` or of the exception that is being handled.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    def info(self, event: str, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, *, cause: BaseException | None = None, **fields: object) -> None:
        self._write(logging.ERROR, event, fields, cause or sys.exception())

    def _write(self, level: int, event: str, fields: dict[str, object], cause: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, exc_info=cause, extra={"fields": fields})


logger = Logger
"""The logger of a module; call it with `__name__`."""


class JsonFormatter(logging.Formatter):
    """One line of JSON per record, without secrets; records of libraries become the event `library_log`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line, without newline."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, object] = {"timestamp": at, "level": record.levelname, "service": self._service}
        fields: dict[str, object] | None = getattr(record, "fields", None)
        if fields is None:
            line |= {"event": "library_log", "logger": record.name, "message": record.getMessage()}
        else:
            line["event"] = record.getMessage()
            line |= {name: value for name, value in fields.items() if name not in line}
        if record.exc_info and record.exc_info[1]:
            line["stack"] = "".join(traceback.format_exception(record.exc_info[1]))
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line |= {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}
        text = _ENCODE(line)
        return _SECRETS.sub(_redacted, text) if any(map(text.lower().__contains__, _SIGNS)) else text


def _redacted(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup] if found.lastgroup else ''}[redacted]"


@contextmanager
def open_telemetry(service: str, settings: TelemetrySettings) -> Iterator[None]:
    """Logs, metrics and traces for as long as the block runs; `service` is the name in each line and span.

    A process opens it once: OpenTelemetry keeps the first providers it is given.
    """
    resource = Resource.create({"service.name": service, "service.namespace": "nextplay"})
    # Ids are made and carried in any case; what a span holds is only kept where somebody collects it.
    tracers = TracerProvider(DEFAULT_ON if settings.otlp_endpoint else ALWAYS_OFF, resource)
    readers: list[MetricReader] = [PrometheusMetricReader()]
    with ExitStack() as opened:
        opened.enter_context(_json_logs(service, settings.log_level))
        if settings.otlp_endpoint is not None:
            readers.append(_export(str(settings.otlp_endpoint), tracers))
        meters = MeterProvider(readers, resource)
        opened.callback(tracers.shutdown)
        opened.callback(meters.shutdown)
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(meters)
        yield


@contextmanager
def _json_logs(service: str, level: str) -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root, ours = logging.getLogger(), logging.getLogger(_ROOT)
    before = root.handlers[:], root.level, ours.level
    # What no line shows is not looked up for each: the caller's file and line, its thread and its process.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    ours.setLevel(level)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level, ours.level = before


def _export(endpoint: str, tracers: TracerProvider) -> MetricReader:
    """Send spans and metrics to an OTLP collector, from threads of their own.

    Imported here, because a process without a collector need not carry the exporters, nor spans of each SQL statement.
    """
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=EXPORT_SECONDS)))
    AsyncPGInstrumentor().instrument(tracer_provider=tracers)  # type: ignore[no-untyped-call]
    return PeriodicExportingMetricReader(OTLPMetricExporter(endpoint, timeout=EXPORT_SECONDS))


def traceparent_of_current_span() -> str | None:
    """The W3C `traceparent` of the current span, to be carried in an outbox row or a Kafka header; None without one."""
    span = trace.get_current_span().get_span_context()
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}" if span.is_valid else None


def context_from(traceparent: str | None) -> Context:
    """The trace context of a `traceparent`, for `tracer.start_as_current_span(…, context=context_from(header))`."""
    return _PROPAGATOR.extract({"traceparent": traceparent} if traceparent else {})


def current_trace_id() -> str | None:
    """The 32 hexadecimal digits of the current trace; None without one."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id) if span.is_valid else None
