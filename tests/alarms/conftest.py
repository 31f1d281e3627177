"""Prometheus' own tool, which checks rules and plays series to them."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from deploy.local.home import ROOT

KEPT = ROOT / ".cache" / "promtool"


@pytest.fixture(scope="session")
def promtool() -> str:
    """`promtool` of the machine, or the one of Debian's package `prometheus`, unpacked beside other downloads."""
    if found := shutil.which("promtool"):
        return found
    if not KEPT.exists():
        if not shutil.which("apt-get"):
            pytest.skip("promtool is not installed; install Prometheus to have its rules tested")
        with tempfile.TemporaryDirectory() as directory:
            _quietly(["apt-get", "update", "-qq"], directory, may_fail=True)
            _quietly(["apt-get", "download", "-qq", "prometheus"], directory)
            (package,) = Path(directory).glob("prometheus_*.deb")
            _quietly(["dpkg", "-x", str(package), "unpacked"], directory)
            KEPT.parent.mkdir(exist_ok=True)
            shutil.copy2(Path(directory) / "unpacked/usr/bin/promtool", KEPT)
    return str(KEPT)


def _quietly(command: list[str], directory: str, *, may_fail: bool = False) -> None:
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    if ended.returncode and not may_fail:
        pytest.fail(f"{' '.join(command)} ended with {ended.returncode}: {ended.stderr.strip()}")
