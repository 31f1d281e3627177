"""How much longer a clip takes from the end of its upload to READY than the bare FFmpeg commands for the same outputs.

Both run on the same machine and file, in turn, while the platform is up, and are equally nice.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ladder import bare_ladder, measured
from benchmarks.measure import Measure
from deploy.local.clip import sample_clip
from deploy.local.lifecycle import start, stop
from deploy.local.values import read_values
from nextplay_client import Client, UploadProgress
from services.media.domain.source import Source

ROUNDS = 5
LIMIT = 1.15


def measure() -> list[Measure]:
    """Five rounds of both, after one that warms caches; the median of the rounds' ratios."""
    clip = sample_clip()
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        addresses = start(home, with_parent=True)["stack"]
        try:
            source = measured(clip, home)
            rounds = [_round(clip, source, addresses, number) for number in range(ROUNDS + 1)][1:]
        finally:
            stop(home)
    bare = statistics.median(bare for bare, _ in rounds)
    ours = statistics.median(ours for _, ours in rounds)
    ratio = statistics.median(ours / bare for bare, ours in rounds)
    how = (
        f"median of {ROUNDS} rounds on {clip.name}: {ours:.2f} s from the last uploaded byte to READY as a watching "
        f"client sees it, {bare:.2f} s for the ladder's own commands on the local file"
    )
    return [Measure("complete to READY / bare ffmpeg", ratio, "", LIMIT, how)]


def _round(clip: Path, source: Source, addresses: Mapping[str, Any], number: int) -> tuple[float, float]:
    """Seconds of the bare commands, and from the end of the upload to READY."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bare-") as directory:
        bare = _bare(clip, source, Path(directory))
    reply = httpx.post(f"{addresses['identity']}/token", json={"user": f"bench-{number}"}, timeout=5, trust_env=False)
    uploaded_at = 0.0

    def note(progress: UploadProgress) -> None:
        nonlocal uploaded_at
        uploaded_at = time.monotonic()

    with Client(addresses["gateway"], reply.raise_for_status().json()["token"]) as client:
        completed = client.upload(clip, title="A benchmark", category="sports", on_progress=note)
        client.wait(completed["video_id"])
        return bare, time.monotonic() - uploaded_at


def _bare(clip: Path, source: Source, directory: Path) -> float:
    """Run what the transcoder runs, without the sandbox and the storage around it."""
    nice = ("nice", "-n", str(read_values().workloads["media-worker"].nice))
    made = bare_ladder(clip, source, directory)
    began = time.monotonic()
    for command in made:
        subprocess.run((*nice, *command), cwd=directory, check=True, stdout=subprocess.DEVNULL, timeout=600)
    return time.monotonic() - began
