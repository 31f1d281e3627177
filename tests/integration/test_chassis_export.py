"""What leaves a process: spans and metrics to an OTLP collector, metrics to Prometheus, and nothing that blocks it."""

import asyncio
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
    from opentelemetry import metrics, trace
    from chassis.run import run_once
    from chassis.settings import TelemetrySettings, load
    from chassis.telemetry import current_trace_id

    trials = metrics.get_meter("trial").create_counter("trials", unit="{trial}", description="Trials that were begun")

    async def job(service):
        trials.add(3, {"kind": "test"})
        with trace.get_tracer("trial").start_as_current_span("attempt"):
            print(current_trace_id())
        print(prometheus_client.generate_latest().decode())

    sys.exit(run_once("trial", job, telemetry=load(TelemetrySettings)))
"""


@dataclass
class Collector:
    endpoint: str = ""
    spans: list[Any] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)

    async def take_spans(self, request: Any, context: object) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

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
    yield collector
    await server.stop(0)


async def outcome(tmp_path: Path, endpoint: str) -> tuple[int, str]:
    """Exit code and output of a process that makes one span and counts to three."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(PROGRAM))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_spans_and_metrics_reach_the_collector(collector: Collector, tmp_path: Path) -> None:
    code, output = await outcome(tmp_path, collector.endpoint)
    assert code == 0
    assert [(span.name, span.trace_id.hex()) for span in collector.spans] == [("attempt", output.splitlines()[0])]
    assert "trials" in collector.metrics


async def test_an_absent_collector_keeps_no_process_from_its_work(tmp_path: Path) -> None:
    code, output = await outcome(tmp_path, "http://127.0.0.1:1")
    assert code == 0
    assert "trials_total" in output


async def test_prometheus_reads_metrics_with_help_and_unit(tmp_path: Path) -> None:
    code, output = await outcome(tmp_path, "")
    assert code == 0
    assert "# HELP trials_total Trials that were begun" in output
    assert 'trials_total{kind="test"' in output
    assert "process_resident_memory_bytes" in output
