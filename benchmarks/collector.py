"""A collector for OTLP over gRPC, in a process of its own: one that takes what comes, or one that hangs.

    python -m benchmarks.collector receives|hangs

Prints the port that it was given, and what it received, in bytes, when it is told to stop.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import uvloop

EXPORTS = [f"opentelemetry.proto.collector.{name}.v1.{name.capitalize()}Service" for name in ("trace", "metrics")]


@dataclass
class Collector:
    """`received_bytes` is known when the block has ended."""

    endpoint: str
    received_bytes: int = 0


@contextmanager
def collector(behaviour: str) -> Iterator[Collector]:
    """Run one that `receives` or `hangs`."""
    command = [sys.executable, "-m", "benchmarks.collector", behaviour]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        running = Collector(f"http://127.0.0.1:{int(process.stdout.readline())}")
        try:
            yield running
        finally:
            process.terminate()
            running.received_bytes = int(process.stdout.readline())


async def run(behaviour: str) -> None:
    """Answer every export with an empty message, which says that all was taken, or never."""
    received, told = 0, asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)

    async def export(request: bytes, context: object) -> bytes:
        nonlocal received
        received += len(request)
        if behaviour == "hangs":
            await told.wait()
        return b""

    server = grpc.aio.server()
    for service in EXPORTS:
        handlers: Any = {"Export": grpc.unary_unary_rpc_method_handler(export)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await told.wait()
    await server.stop(0.5)
    print(received, flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(sys.argv[1]))
