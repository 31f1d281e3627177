"""How fast the Python client uploads the largest file, beside the least that does it, and how much memory it takes."""

import json
import random
import statistics
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Measure
from deploy.local.clip import sample_clip
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach

FILE_BYTES = 157_286_400
ROUNDS = 41
SPEED, MEMORY_MB = 0.9, 120.0


def measure() -> list[Measure]:
    """Rounds of both in turn, after one that warms caches; nothing is transcoded meanwhile."""
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home, clip = Path(directory), Path(directory) / "large.mp4"
        start(home, with_parent=True)
        try:
            stack = attach(home)
            stack.hold("media-worker")
            _make(clip)
            rounds = [_round(stack, clip, number) for number in range(ROUNDS + 1)][1:]
        finally:
            stop(home)
    ratio = statistics.median(hand["seconds"] / client["seconds"] for client, hand in rounds)
    client, hand = (statistics.median(taken[which]["seconds"] for taken in rounds) for which in (0, 1))
    how = (
        f"median of {ROUNDS} rounds on {FILE_BYTES:,} bytes, each in a process of its own: {client:.2f} s for "
        f"Client.upload, {hand:.2f} s to announce, sign all at once, PUT over 3 connections without checksums, complete"
    )
    memory = max(taken["peak_mb"] for taken, _ in rounds)
    imported = statistics.median(taken["peak_mb"] for _, taken in rounds)
    told = f"the most that a process of a Client.upload ever had; one by hand had {imported:.0f} MB"
    return [
        Measure("SDK upload / presigned PUTs by hand, speed", ratio, "", SPEED, how, at_least=True),
        Measure("SDK upload, memory", memory, "MB", MEMORY_MB, told),
    ]


def _make(clip: Path) -> None:
    """The sample clip with room behind it, up to the largest size."""
    data = sample_clip().read_bytes()
    room = FILE_BYTES - len(data)
    clip.write_bytes(data + struct.pack(">I4s", room, b"free") + random.Random(0).randbytes(room - 8))


def _round(stack: Stack, clip: Path, number: int) -> tuple[dict[str, float], dict[str, float]]:
    """One upload by the client and one by hand, in turn first."""
    ways = ("client", "hand") if number % 2 else ("hand", "client")
    taken = {way: _upload(stack, clip, way, number) for way in ways}
    return taken["client"], taken["hand"]


def _upload(stack: Stack, clip: Path, way: str, number: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.uploading", way, stack.gateway, str(clip)]
    token = stack.issuer.user_token(f"{way}-{number}")
    done = subprocess.run(command, input=token, capture_output=True, text=True, timeout=120, check=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told
