"""How long a person waits for `make run`: on a machine that has run it before, and on one with nothing installed."""

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measure
from deploy.local.home import ROOT

WARM_LIMIT_SECONDS = 15.0
COLD_LIMIT_SECONDS = 120.0
RUN_SECONDS = 900


@dataclass(frozen=True)
class Run:
    """Seconds from `make run` to PUBLISHED, and how many of them the transcode took."""

    published: float
    transcode: float


def measure() -> list[Measure]:
    """Clone what is committed, run it there with nothing installed, then again; the packages come from the cache."""
    with tempfile.TemporaryDirectory(prefix="nextplay-start-") as directory:
        clone = Path(directory) / "nextplay"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True, timeout=120)
        try:
            cold, warm = _make_run(clone), _make_run(clone)
        finally:
            subprocess.run(["make", "clean"], cwd=clone, check=True, timeout=120, stdout=subprocess.DEVNULL)
            shutil.rmtree(clone, ignore_errors=True)
    return [
        Measure(
            "cold make run to PUBLISHED",
            cold.published - cold.transcode,
            "s",
            COLD_LIMIT_SECONDS,
            f"from an empty clone, without {cold.transcode:.1f} s of transcoding; packages are installed from the "
            "cache where it has them",
        ),
        Measure(
            "warm make run to PUBLISHED",
            warm.published - warm.transcode,
            "s",
            WARM_LIMIT_SECONDS,
            f"the same clone again, without {warm.transcode:.1f} s of transcoding",
        ),
    ]


def _make_run(clone: Path) -> Run:
    """Follow the output of one `make run` to its end."""
    began, uploaded, ready, published = time.monotonic(), 0.0, 0.0, 0.0
    lines: list[str] = []
    with subprocess.Popen(
        ["make", "run"],
        cwd=clone,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            now = time.monotonic() - began
            if re.match(r"upload +100 %", line):
                uploaded = now
            elif re.match(r"transcode .*READY", line):
                ready = now
            elif line.startswith("PUBLISHED"):
                published = now
        status = process.wait(timeout=RUN_SECONDS)
    if status != 0 or not published:
        raise SystemExit("`make run` failed:\n" + "".join(lines[-20:]))
    return Run(published, ready - uploaded)
