"""How many runs a worker takes on, by the cores and the memory that it may use."""

import os
from pathlib import Path

import pytest

from services.media import machine

GB = 1024**3


@pytest.mark.parametrize(
    ("cores", "memory", "slots", "threads"),
    [(1, 1 * GB, 1, 1), (2, 8 * GB, 1, 2), (8, 16 * GB, 2, 4), (16, 4 * GB, 2, 8), (64, 64 * GB, 16, 4)],
)
def test_runs_are_bounded_by_cores_and_by_memory(cores: int, memory: int, slots: int, threads: int) -> None:
    assert (machine.slots(cores, memory), machine.threads(cores, slots)) == (slots, threads)


def test_a_container_counts_with_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    (tmp_path / "memory.max").write_text(f"{GB // 2}\n")
    assert (machine.usable_cores(tmp_path), machine.usable_memory(tmp_path)) == (1, GB // 2)


@pytest.mark.parametrize("limits", ["max", "none"])
def test_without_limits_the_machine_counts(limits: str, tmp_path: Path) -> None:
    if limits == "max":
        (tmp_path / "cpu.max").write_text("max 100000\n")
        (tmp_path / "memory.max").write_text("max\n")
    assert machine.usable_cores(tmp_path) == len(os.sched_getaffinity(0))
    assert machine.usable_memory(tmp_path) > GB // 2
