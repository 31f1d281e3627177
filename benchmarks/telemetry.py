"""What telemetry costs a client who polls a status: told to a collector that takes it, to one that hangs, to nobody."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import stamina

from benchmarks.chain import CONNECTIONS, SETTLE_SECONDS, initiate
from benchmarks.collector import collector
from benchmarks.load import Target, request, requests_a_second
from benchmarks.measure import Measure
from deploy.local.lifecycle import start, stop
from deploy.local.ports import free_port
from deploy.local.stack import Stack, attach

ROUND_SECONDS, ROUNDS, SERIES = 1.0, 4, 6
MOST_PERCENT = 10.0


@dataclass(frozen=True)
class Chain:
    """A gateway and a catalog behind it."""

    url: str
    processes: Sequence[psutil.Process]

    def cpu_seconds(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self.processes)


@dataclass(frozen=True)
class Round:
    """Polls in a second, and processor time of gateway and catalog in microseconds a poll."""

    rate: float
    cpu: float


def measure() -> list[Measure]:
    """One platform, and beside it three gateways with a catalog each, loaded in turn by the same client; all new in
    each series, because processes that differ in nothing but their addresses differ by a few percent in speed."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory, ExitStack() as opened:
        home = Path(directory)
        start(home, with_parent=True)
        opened.callback(stop, home)
        stack = attach(home)
        tokens = [stack.issuer.user_token(f"bench-{number}") for number in range(CONNECTIONS)]
        uploads = [(token, initiate(stack.gateway, token)) for token in tokens]
        polls = [request("GET", f"/v1/videos/{upload['video_id']}/status", token) for token, upload in uploads]
        endpoints = [opened.enter_context(collector(behaviour)).endpoint for behaviour in ("receives", "hangs")]
        rounds = [one for _ in range(SERIES) for one in _series(stack, endpoints, polls)]
    return [
        *_shares("taken", "a collector that takes it", [(one[1], one[4], one[0], one[5]) for one in rounds]),
        *_shares("hung", "a collector that hangs", [(one[2], one[3], one[0], one[5]) for one in rounds]),
    ]


def _series(stack: Stack, endpoints: Sequence[str], polls: Sequence[bytes]) -> list[list[Round]]:
    """Rounds over three chains, after one that warms them: without a collector, with each, and once more backwards."""
    with ExitStack() as opened:
        without, taken, hung = (opened.enter_context(_chain(stack, endpoint)) for endpoint in ("", *endpoints))
        time.sleep(SETTLE_SECONDS)
        # Each twice, before and after the others: what else the machine does changes within a round.
        order = (without, taken, hung, hung, taken, without)
        return [[_round(chain, polls) for chain in order] for _ in range(ROUNDS + 1)][1:]


def _round(chain: Chain, polls: Sequence[bytes]) -> Round:
    before = chain.cpu_seconds()
    rate = requests_a_second(Target(chain.url, polls), connections=CONNECTIONS, seconds=ROUND_SECONDS)
    return Round(rate, 1e6 * (chain.cpu_seconds() - before) / (rate * ROUND_SECONDS))


@contextmanager
def _chain(stack: Stack, collected_at: str) -> Iterator[Chain]:
    """A gateway and its catalog on the platform's PostgreSQL, which tell a collector there."""
    catalog, gateway = free_port(), free_port()
    telling = {"OTEL_EXPORTER_OTLP_ENDPOINT": collected_at}
    bound = {"GRPC_BIND": catalog, "METRICS_BIND": free_port()}
    binds = {f"NEXTPLAY_CATALOG_{name}": f"127.0.0.1:{port}" for name, port in bound.items()}
    reached = {"NEXTPLAY_CATALOG_ADDRESS": f"127.0.0.1:{catalog}", "NEXTPLAY_GATEWAY_HTTP_BIND": f"127.0.0.1:{gateway}"}
    with (
        _process("services.catalog", stack.environment("catalog") | binds | telling) as behind,
        _process("gateway", stack.environment(None) | reached | telling) as before,
    ):
        url = f"http://127.0.0.1:{gateway}"
        for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=None, timeout=60, wait_max=0.5):
            with attempt:
                httpx.get(f"{url}/readyz", timeout=5, trust_env=False).raise_for_status()
        yield Chain(url, [before, behind])


@contextmanager
def _process(module: str, environment: Mapping[str, str]) -> Iterator[psutil.Process]:
    command = [sys.executable, "-m", module, "serve"]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _shares(name: str, what: str, rounds: Sequence[tuple[Round, Round, Round, Round]]) -> list[Measure]:
    """Of rounds with it twice and without it twice: in percent, how many fewer polls, and how much of their time."""
    rates = [
        ((with_a.rate + with_b.rate) / 2, (bare_a.rate + bare_b.rate) / 2) for with_a, with_b, bare_a, bare_b in rounds
    ]
    times = [
        ((with_a.cpu + with_b.cpu) / 2, (bare_a.cpu + bare_b.cpu) / 2) for with_a, with_b, bare_a, bare_b in rounds
    ]
    fewer = statistics.median(100 * (1 - told / silent) for told, silent in rates)
    of_time = statistics.median(100 * (1 - silent / told) for told, silent in times)
    told, silent = (statistics.median(column) for column in zip(*rates, strict=True))
    told_us, silent_us = (statistics.median(column) for column in zip(*times, strict=True))
    how = (
        f"median of {SERIES * ROUNDS} rounds of twice {ROUND_SECONDS:g} s each in turn over {CONNECTIONS} connections: "
        f"{told:,.0f} polls/s with {what}; {silent:,.0f} without one"
    )
    by_cpu = f"of gateway and catalog, in the same rounds: {told_us:,.0f} µs a poll against {silent_us:,.0f} µs"
    return [
        Measure(f"telemetry's share of a poll, {name}", fewer, "%", MOST_PERCENT, how),
        Measure(f"telemetry's processor time, {name}", of_time, "%", None, by_cpu),
    ]
