"""`python -m gateway serve`: the public HTTP API in front of the services."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.errors import Unavailable
from chassis.grpc_client import plain_channel
from chassis.run import Service, run
from chassis.settings import load
from chassis.telemetry import logger
from gateway.app import gateway_app
from gateway.contract import DESCRIPTORS, read_contract
from gateway.server import http_server
from gateway.settings import Settings

log = logger(__name__)


async def serve(service: Service, settings: Settings) -> None:
    """Open a channel to each context, then answer HTTP."""
    contract = read_contract(DESCRIPTORS.read_bytes())
    repeated = [endpoint.grpc_path for endpoint in contract.endpoints if endpoint.verb in {"GET", "PUT", "DELETE"}]
    channels = {
        context: await service.enter(plain_channel(getattr(settings, f"{context}_address"), retried=repeated))
        for context in sorted({endpoint.context for endpoint in contract.endpoints})
    }
    service.check("services", reachable(channels))
    port = await service.enter(http_server(gateway_app(contract, channels, settings, service), settings))
    log.info("http_bound", port=port)


def reachable(channels: Mapping[str, grpc.aio.Channel]) -> Callable[[], Awaitable[None]]:
    """A check that passes once each context has served, and from then on while any of them does.

    A context that goes away later fails its own calls alone. If all gateways left the load balancer for it, every
    call to the others would fail too.
    """
    stubs = [health_pb2_grpc.HealthStub(one) for one in channels.values()]  # type: ignore[no-untyped-call]
    missing = set(channels)

    async def check() -> None:
        asked = (stub.Check(health_pb2.HealthCheckRequest(), timeout=1) for stub in stubs)
        replies = zip(channels, await asyncio.gather(*asked, return_exceptions=True), strict=True)
        serving = {context for context, reply in replies if getattr(reply, "status", None) == 1}
        missing.difference_update(serving)
        if missing or not serving:
            raise Unavailable(f"No answer from: {', '.join(sorted(missing or channels))}.")

    return check


def main() -> int:
    """Run the command of `sys.argv` and return its exit code: 0 stopped as told, 1 failed, 2 wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description="The public HTTP API of NextPlay.")
    parser.add_argument("command", nargs="?", choices=["serve"], default="serve", help="answer HTTP until SIGTERM")
    parser.parse_args()
    settings = load(Settings)
    return run("gateway", lambda service: serve(service, settings), telemetry=settings.telemetry, metrics_bind=None)


if __name__ == "__main__":
    sys.exit(main())
