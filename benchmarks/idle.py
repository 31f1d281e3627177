"""What the platform costs while nobody uses it."""

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.measure import Measure
from deploy.local.home import supervisor_pid
from deploy.local.lifecycle import start, stop
from deploy.local.stack import attach
from deploy.local.values import read_values

SETTLE_SECONDS = 60
WINDOW_SECONDS = 300
"""A multiple of five minutes, the shortest schedule of a job, so that each window holds the same jobs."""


def measure() -> list[Measure]:
    """Start the whole platform, let it settle, and sum memory and CPU time over all of its processes."""
    with tempfile.TemporaryDirectory(prefix="nextplay-idle-") as directory:
        home = Path(directory)
        start(home, with_parent=True)
        try:
            time.sleep(SETTLE_SECONDS)
            pid = supervisor_pid(home)
            assert pid is not None
            supervisor = psutil.Process(pid)
            before, began = _cpu_seconds(supervisor), time.monotonic()
            time.sleep(WINDOW_SECONDS)
            spent, elapsed = _cpu_seconds(supervisor) - before, time.monotonic() - began
            resident = sum(_resident(process) for process in _all(supervisor))
            services = {name: _own(attach(home).pid(name)) for name in read_values().workloads}
        finally:
            stop(home)
    how = f"the supervisor and every process below it, after {SETTLE_SECONDS} s of rest"
    largest = max(services, key=lambda name: services[name])
    each = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in services.items())
    return [
        Measure(
            "idle memory of the largest service",
            services[largest] / 1e6,
            "MB",
            90.0,
            f"{largest}, with the processes below it; a page that several share is counted in parts (PSS): {each} MB",
        ),
        Measure("idle memory", resident / 1e9, "GB", 1.5, f"resident memory, shared pages counted each time: {how}"),
        Measure("idle CPU", 100 * spent / elapsed, "%", 5.0, f"of one core over {elapsed:.0f} s, jobs included: {how}"),
    ]


def _all(supervisor: psutil.Process) -> list[psutil.Process]:
    return [supervisor, *supervisor.children(recursive=True)]


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _own(pid: int | None) -> int:
    """Of a process and those below it, with its part of what it shares with others."""
    service = psutil.Process(pid)
    return sum(int(process.memory_full_info().pss) for process in [service, *service.children(recursive=True)])


def _cpu_seconds(supervisor: psutil.Process) -> float:
    """CPU time of the tree so far; what its ended children (jobs) used is in their parent's account."""
    spent = 0.0
    for process in _all(supervisor):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system + (times.children_user + times.children_system)
    return spent
