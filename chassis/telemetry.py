"""Logs, metrics and traces of a process, all on OpenTelemetry and the standard library.

Logs are one line of JSON per event on stderr, in the shape of

    {"timestamp": "2025-12-25T12:00:00.000Z", "level": "INFO", "service": "upload", "event": "upload_initiated",
     "user_id": "…", …, "trace_id": "…", "span_id": "…"}

    log = telemetry.logger(__name__)
    log.info("upload_initiated", user_id=user_id, file_size_bytes=size)

Metrics are made with `opentelemetry.metrics.get_meter(...)`, in the metrics.py of each package, with a description and
a unit; /metrics prints them for Prometheus. Spans are made by chassis/tracing. Both go to an OTLP collector where an
endpoint is set, by OpenTelemetry's own variables: `OTEL_EXPORTER_OTLP_*`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`.
"""

import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from math import inf
from threading import Thread
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from chassis.settings import TelemetrySettings
from chassis.tracing import UNTOLD, IdsOfBaggage

_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0]
SECONDS: dict[str, Any] = {"unit": "s", "explicit_bucket_boundaries_advisory": _BUCKETS}
"""What histograms of durations are created with."""
EXPORT_SECONDS, SHUTDOWN_SECONDS = 2, 2.0
"""How long a collector is waited for: with one batch, unless a variable says otherwise, and with all that is left when
the process ends. What it does not take by then is lost."""
REPEAT_SECONDS, MAX_TEMPLATES = 10.0, 1000

_ROOT = "nextplay"  # our loggers hang below it, so that their level is set apart from the libraries'
# What must not be read in a log, wherever it came from: bearer tokens and JWTs, passwords in URLs, signed queries,
# fields that are named like secrets, and the row that PostgreSQL adds to its complaint.
_SECRETS = re.compile(
    r"""(?P<field>"\w*(?:password|secret|authorization|api_key|token)\w*":\s")(?:[^"\\]|\\.)*
      | (?P<before>bearer\s+|[?&](?:token|Signature|X-Amz-(?:Signature|Credential|Security-Token))=)[^"\\\s&]+
      | (?P<user>://[^:/@"\s]+:)[^@"\s]+(?=@)
      | (?P<row>\\nDETAIL:\s+)(?:[^"\\]|\\.)*?(?="|\\n\\n(?:The\ above|During)\ )
      | eyJ[\w-]{8,}\.[\w-]+\.[\w-]*""",
    re.IGNORECASE | re.VERBOSE,
)
# One of these is in each of them. Almost no line has one, and looking for words costs a tenth of the expression.
_SIGNS = (
    *("password", "secret", "authorization", "api_key", "token", "bearer"),
    *("amz", "signature", "://", "eyj", "ndetail"),
)
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
            line |= {"left_out": left_out} if (left_out := getattr(record, "left_out", 0)) else {}
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


class FewRepetitions(logging.Filter):
    """Lets what a library says through once in ten seconds, and then tells how often it was left out: a client whose
    server is away complains of it without end. The same is what has the same template; what we say is let through."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is printed; one that is has `left_out`, how many were not since the last of them."""
        if hasattr(record, "fields"):
            return True
        what = record.name, str(record.msg)
        at, left_out = self._said.pop(what, (-inf, 0))
        if abs(record.created - at) < REPEAT_SECONDS:
            self._said[what] = at, left_out + 1
            return False
        if len(self._said) >= MAX_TEMPLATES:
            self._said.pop(next(iter(self._said)), None)
        self._said[what] = record.created, 0
        vars(record)["left_out"] = left_out
        return True


def _redacted(found: re.Match[str]) -> str:
    return f"{found[found.lastgroup] if found.lastgroup else ''}[redacted]"


@contextmanager
def open_telemetry(service: str, settings: TelemetrySettings) -> Iterator[None]:
    """Logs, metrics and traces for as long as the block runs; `service` is the name in each line and span.

    A process opens it once: OpenTelemetry keeps the first providers it is given.
    """
    resource = Resource.create({"service.name": service, "service.namespace": "nextplay"})
    # Ids are made and carried in any case; what a span holds is only kept where somebody collects it, and there all of
    # it unless OTEL_TRACES_SAMPLER says otherwise: a collector that chooses does so at the end of a trace.
    sampler = None if settings.otlp_endpoint else ALWAYS_OFF
    tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
    readers: list[MetricReader] = [PrometheusMetricReader()]
    with ExitStack() as opened:
        opened.enter_context(_json_logs(service, settings.log_level))
        if settings.otlp_endpoint:
            readers.append(_export(settings.otlp_protocol, tracers))
        meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        opened.callback(_shut_down, tracers, meters)
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(meters)
        yield


def _shut_down(*providers: TracerProvider | MeterProvider) -> None:
    """Send what is left. In threads, because the SDK has no limit for a collector that hangs."""
    ends_at = time.monotonic() + SHUTDOWN_SECONDS
    threads = [Thread(target=provider.shutdown, daemon=True) for provider in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))


@contextmanager
def _json_logs(service: str, level: str) -> Iterator[None]:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    handler.addFilter(FewRepetitions())
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


def _export(protocol: str, tracers: TracerProvider) -> MetricReader:
    """Send spans and metrics to an OTLP collector, from threads of their own, out of a queue that is bounded.

    Imported here, because a process without a collector need not carry the exporters.
    """
    exporters = f"opentelemetry.exporter.otlp.proto.{protocol.partition('/')[0]}"
    of_spans, of_metrics = (import_module(f"{exporters}.{kind}_exporter") for kind in ("trace", "metric"))
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    class Told(BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            if UNTOLD not in (span.attributes or {}):
                super().on_end(span)

    # The exporters read their variables themselves.
    os.environ.setdefault("OTEL_EXPORTER_OTLP_TIMEOUT", str(EXPORT_SECONDS))
    # It would warn of each span for which the queue has no room; that batches fail is told by the exporter, as errors.
    logging.getLogger("opentelemetry.sdk._shared_internal").setLevel(logging.ERROR)
    tracers.add_span_processor(IdsOfBaggage())
    tracers.add_span_processor(Told(of_spans.OTLPSpanExporter()))
    return PeriodicExportingMetricReader(of_metrics.OTLPMetricExporter())
