"""The signed URLs of parts: asked for in batches, ahead of need, and judged by the server's clock."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nextplay_client.gateway import Gateway
from nextplay_client.types import PresignedPart
from nextplay_client.uploading.checksums import Checksums
from nextplay_client.uploading.parts import Part

BATCH = 3
"""Parts that are signed at once."""
AHEAD = 3
"""Signed parts that wait, and as many that are to follow: more would grow old where sending is slow."""
LEAST_SECONDS = 20.0
"""What a URL must have left when a part sets out."""


@dataclass
class ServerClock:
    """The server's time, by a clock of ours that nobody sets."""

    ahead: float = 0.0
    """Seconds since 1970 by the server's clock, at zero of our monotonic one."""

    def told(self, server_time: str) -> None:
        """Take over the time of an answer that has just come."""
        self.ahead = _seconds(server_time) - time.monotonic()

    def seconds_until(self, moment: str) -> float:
        """How long until the server's clock shows this."""
        return _seconds(moment) - self.ahead - time.monotonic()


@dataclass(frozen=True)
class Signed:
    """A part and where it goes."""

    part: Part
    to: PresignedPart


@dataclass(frozen=True)
class Signer:
    """Signs the parts of one file for one upload, each with the SHA-256 that it has at that moment."""

    gateway: Gateway
    upload_id: str
    checksums: Checksums
    clock: ServerClock
    queue: asyncio.Queue[Signed] = field(default_factory=lambda: asyncio.Queue(AHEAD))

    async def sign(self, parts: Sequence[Part]) -> list[Signed]:
        """URLs of up to 30 parts. Raises ApiError, Unreachable, and OSError for the file."""
        self.checksums.begin(parts)
        wanted = [
            {
                "part_number": part.number,
                "content_length": part.length,
                "checksum_sha256": await self.checksums.of(part),
            }
            for part in parts
        ]
        reply = await self.gateway.post(f"/v1/uploads/{self.upload_id}/parts/presign-batch", parts=wanted)
        self.clock.told(reply["server_time"])
        return [Signed(part, to) for part, to in zip(parts, reply["parts"], strict=True)]

    async def sign_ahead(self, parts: Sequence[Part]) -> None:
        """Keep the queue filled until all parts have been in it."""
        for begin in range(0, len(parts), BATCH):
            batch = await self.sign(parts[begin : begin + BATCH])
            self.checksums.begin(parts[begin + BATCH : begin + 2 * BATCH])
            for signed in batch:
                await self.queue.put(signed)

    async def renewed(self, signed: Signed, *, usable: bool) -> Signed:
        """The same part with a URL that S3 has not refused, and that lives long enough to set out."""
        if usable and self.clock.seconds_until(signed.to["expires_at"]) > LEAST_SECONDS:
            return signed
        return (await self.sign([signed.part]))[0]


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
