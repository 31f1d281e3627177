"""How honest `eta_seconds` is: what polls were promised, against how long it then took."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from imageio_ffmpeg import get_ffmpeg_exe

from benchmarks.measure import Measure
from deploy.local.clip import sample_clip
from deploy.local.lifecycle import start, stop
from nextplay_client import Client

LENGTHS = (3, 10, 20)
QUEUED = 2
"""Clips of each length that are uploaded at once, so that most of them wait for others."""
POLL_SECONDS = 0.5
OUT_OF_TIME_SECONDS = 900.0


@dataclass(frozen=True)
class Promise:
    """What a poll was told, and what came: seconds until READY. None where no estimate was given."""

    eta: int | None
    actual: float


def measure() -> list[Measure]:
    """One clip of each length alone, from which the platform learns; then several of each at once, which are polled."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        clips = [_cut(seconds, Path(directory)) for seconds in LENGTHS]
        home = Path(directory) / "home"
        addresses = start(home, with_parent=True)["stack"]
        try:
            for clip in clips:
                _polled(addresses, clip)
            with ThreadPoolExecutor(QUEUED * len(clips)) as threads:
                polled = threads.map(lambda clip: _polled(addresses, clip), clips * QUEUED)
                return _measures([promise for promises in polled for promise in promises])
        finally:
            stop(home)


def _cut(seconds: int, directory: Path) -> Path:
    """The sample clip at another length."""
    clip = directory / f"{seconds}.mp4"
    cut = [get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-stream_loop", "-1", "-i", str(sample_clip())]
    subprocess.run([*cut, "-t", str(seconds), "-c", "copy", str(clip)], check=True, timeout=60)
    return clip


def _polled(addresses: Mapping[str, Any], clip: Path) -> list[Promise]:
    """Upload a clip and poll its status until READY."""
    reply = httpx.post(f"{addresses['identity']}/token", json={"user": clip.stem}, timeout=5, trust_env=False)
    told: list[tuple[float, int | None]] = []
    with Client(addresses["gateway"], reply.raise_for_status().json()["token"]) as client:
        video_id = client.upload(clip, title="A benchmark", category="sports")["video_id"]
        began = time.monotonic()
        while (now := time.monotonic()) < began + OUT_OF_TIME_SECONDS:
            status = client.status(video_id)
            if status["status"] == "READY":
                return [Promise(eta, now - at) for at, eta in told]
            told.append((now, status.get("eta_seconds")))
            time.sleep(POLL_SECONDS)
    raise RuntimeError(f"{clip.name} was not READY after {OUT_OF_TIME_SECONDS:g} s: {status}")


def _measures(promises: Sequence[Promise]) -> list[Measure]:
    given = [(promise.eta, promise.actual) for promise in promises if promise.eta is not None]
    errors = [eta - actual for eta, actual in given]
    lengths = ", ".join(str(seconds) for seconds in LENGTHS)
    how = (
        f"{len(promises)} polls of {QUEUED * len(LENGTHS)} clips of {lengths} s uploaded at once, {len(given)} of them "
        f"with an estimate; half were READY later than {statistics.median(actual for _, actual in given):.0f} s after "
        f"the poll, {100 * sum(error < 0 for error in errors) / len(errors):.0f} % later than they were told"
    )
    relative = statistics.median(abs(error) / actual for error, (_, actual) in zip(errors, given, strict=True))
    return [
        Measure("eta_seconds, median error", statistics.median(map(abs, errors)), "s", None, how),
        Measure("eta_seconds, median error of what was left", 100 * relative, "%", None, how),
    ]
