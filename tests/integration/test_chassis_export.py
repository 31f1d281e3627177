"""What leaves a process: spans and metrics to an OTLP collector, metrics to Prometheus, and nothing that blocks it."""

import asyncio
import contextlib
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

PROGRAM = """
    import sys
    import prometheus_client
    from opentelemetry import metrics
    from chassis.run import run_once
    from chassis.settings import TelemetrySettings, load
    from chassis.tracing import UNTOLD, current_trace_id, span

    trials = metrics.get_meter("trial").create_counter("trials", unit="{trial}", description="Trials that were begun")

    async def job(service):
        trials.add(3, {"kind": "test"})
        for _ in range(int(sys.argv[1])):
            with span("attempt"):
                trace_id = current_trace_id()
        with span("poll", attributes={UNTOLD: True}):
            pass
        print(trace_id)
        print(prometheus_client.generate_latest().decode())
        print("That is all.", flush=True)

    sys.exit(run_once("trial", job, telemetry=load(TelemetrySettings)))
"""


@dataclass
class Collector:
    """Remembers what it was sent: by gRPC at `endpoint`, by HTTP at `http_endpoint`."""

    endpoint: str = ""
    http_endpoint: str = ""
    spans: list[Any] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)

    async def take_spans(self, request: Any, context: object) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    async def answer_http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request after the other on a connection, until its client closes it."""
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split()[0])
                body = await reader.readexactly(length)
                if head.startswith("post /v1/traces"):
                    await self.take_spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body), None)
                elif head.startswith("post /v1/metrics"):
                    await self.take_metrics(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body), None)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def take_metrics(self, request: Any, context: object) -> Any:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics.extend(metric.name for metric in scope.metrics)
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """An OTLP collector that remembers what it was sent."""
    collector = Collector()
    server = grpc.aio.server()
    register: Any
    for register, take in (
        (trace_service_pb2_grpc.add_TraceServiceServicer_to_server, collector.take_spans),
        (metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server, collector.take_metrics),
    ):
        register(type("Servicer", (), {"Export": staticmethod(take)})(), server)
    collector.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    web = await asyncio.start_server(collector.answer_http, "127.0.0.1", 0)
    collector.http_endpoint = f"http://127.0.0.1:{web.sockets[0].getsockname()[1]}"
    yield collector
    web.close()
    await server.stop(0)


async def outcome(tmp_path: Path, endpoint: str, *, protocol: str = "grpc", spans: int = 1) -> tuple[int, str]:
    """Exit code and output of a process that makes spans and counts to three, and then has ten seconds to end."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        str(spans),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol},
    )
    assert process.stdout is not None
    try:
        output = await asyncio.wait_for(process.stdout.readuntil(b"That is all.\n"), 60)
        code = await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
    return code, output.decode()


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_spans_and_metrics_reach_the_collector(collector: Collector, tmp_path: Path, protocol: str) -> None:
    endpoint = collector.endpoint if protocol == "grpc" else collector.http_endpoint
    code, output = await outcome(tmp_path, endpoint, protocol=protocol)
    assert code == 0
    trace_id = output.splitlines()[0]
    assert [(span.name, span.trace_id.hex()) for span in collector.spans] == [
        ("attempt", trace_id),
        ("job trial", trace_id),
    ]
    attempt, job = collector.spans
    assert (attempt.parent_span_id, job.parent_span_id) == (job.span_id, b"")
    assert "trials" in collector.metrics


async def test_an_absent_collector_keeps_no_process_from_its_work(tmp_path: Path) -> None:
    code, output = await outcome(tmp_path, "http://127.0.0.1:1")
    assert code == 0
    assert "trials_total" in output


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_a_collector_that_hangs_holds_up_no_end(tmp_path: Path, protocol: str) -> None:
    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await reader.read()

    async with await asyncio.start_server(says_nothing, "127.0.0.1", 0) as hanging:
        endpoint = f"http://127.0.0.1:{hanging.sockets[0].getsockname()[1]}"
        code, output = await outcome(tmp_path, endpoint, protocol=protocol, spans=10_000)
        assert code == 0
        assert "trials_total" in output


async def test_prometheus_reads_metrics_with_help_and_unit(tmp_path: Path) -> None:
    code, output = await outcome(tmp_path, "")
    assert code == 0
    assert "# HELP trials_total Trials that were begun" in output
    assert 'trials_total{kind="test"' in output
    assert "process_resident_memory_bytes" in output
