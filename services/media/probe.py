"""Measures an original without fetching it whole: a confined child opens it and is handed the ranges it asks for."""

import json
import struct
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from chassis.telemetry import logger
from services.media.domain.outcomes import (
    MAX_FRAME_PIXELS,
    Rejected,
    corrupt,
    no_video_track,
    not_a_video,
)
from services.media.domain.source import Audio, Source, orientation
from services.media.ports import Ranges
from services.media.sandbox import Confined, Limits, OutOfTime, confined
from services.media.storage import storage_faults

_CHILD = Path(__file__).with_name("probe_child.py")
_LIMITS = Limits(wall_seconds=30.0, cpu_seconds=20, memory_bytes=2 * 1024**3, file_bytes=0, open_files=32)
_MAX_RANGE_BYTES = 1024 * 1024

log = logger(__name__)


@dataclass(frozen=True)
class SandboxedProber:
    """The prober of this deployment. `directory` is where the child runs; it writes nothing there."""

    objects: Ranges
    directory: Path

    async def probe(self, key: str, size_bytes: int) -> Source:
        """See ports.Prober. Reads what the container's tables and the first frame need: mostly under 2 MB."""
        command = (sys.executable, "-I", _CHILD, str(size_bytes), str(MAX_FRAME_PIXELS))
        try:
            async with confined(command, directory=self.directory, limits=_LIMITS) as child:
                result = await self._answer(child, key)
                if result is None:
                    code = await child.ended()
                    log.warning("probe_died", input_s3_key=key, code=code, complaints=child.complaints)
                    raise corrupt("its structure can't be read")
        except OutOfTime as error:
            raise corrupt(f"its structure can't be read within {_LIMITS.wall_seconds:g} s") from error
        return _source(json.loads(result), size_bytes)

    async def _answer(self, child: Confined, key: str) -> str | None:
        """Serve ranges until the child says its facts (as JSON); None when it ended without a word."""
        while line := await child.stdout.readline():
            word, _, rest = line.decode("utf-8", "replace").rstrip("\n").partition(" ")
            if word == "read":
                start, length = (int(number) for number in rest.split())
                with storage_faults():
                    data = await self.objects.get_range(key, start, min(length, _MAX_RANGE_BYTES))
                child.stdin.write(struct.pack(">I", len(data)) + data)
                await child.stdin.drain()
            elif word == "facts":
                return rest
            elif word == "refused":
                raise _refusal(*rest.split(" ", 1))
        return None


def _refusal(code: str, what: str) -> Rejected:
    return {"NOT_A_VIDEO": not_a_video, "NO_VIDEO_TRACK": no_video_track}.get(code, lambda: corrupt(what))()


def _source(facts: dict[str, Any], size_bytes: int) -> Source:
    matrix, audio = facts.pop("matrix"), facts.pop("audio")
    return Source(
        **facts
        | {
            "size_bytes": size_bytes,
            "orientation": orientation(*matrix),
            "pixel_aspect": Fraction(facts["pixel_aspect"]),
            "frame_rate": Fraction(facts["frame_rate"]),
            "audio": Audio(**audio) if audio else None,
        }
    )
