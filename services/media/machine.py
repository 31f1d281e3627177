"""What the machine, or the container, lets a worker use, and how many runs that is."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

CORES_OF_A_RUN = 4
"""One run's decoder, filters and encoders together keep about as many busy."""
MEMORY_OF_A_RUN = 1536 * 1024**2
"""What the largest clips (4K, 60 frames a second, HEVC of 10 bit) take at their peak, both processes together."""
MEMORY_OF_THE_WORKER = 512 * 1024**2
MOST_THREADS = 8
"""Of one coder; more only cost memory."""


def usable_cores(cgroup: Path = CGROUP) -> int:
    """Cores on which this process may run, and no more of them than its control group is given time for."""
    allowed = len(os.sched_getaffinity(0))
    quota, period = (*_words(cgroup / "cpu.max"), "", "")[:2]
    return max(1, min(allowed, int(quota) // int(period))) if quota.isdigit() else allowed


def usable_memory(cgroup: Path = CGROUP) -> int:
    """Bytes of memory: the machine's, or the limit of the control group."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = (*_words(cgroup / "memory.max"), "")[0]
    return min(physical, int(limit)) if limit.isdigit() else physical


def slots(cores: int, memory: int) -> int:
    """Runs that may encode at a time; one at least, or nothing would ever be done."""
    return max(1, min(cores // CORES_OF_A_RUN, (memory - MEMORY_OF_THE_WORKER) // MEMORY_OF_A_RUN))


def threads(cores: int, slots: int) -> int:
    """Threads of each coder, so that a run can use its share of the cores."""
    return max(1, min(MOST_THREADS, cores // slots))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("ascii").split()
    except OSError:
        return []
