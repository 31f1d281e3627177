"""The SHA-256 of parts, each ready by the time it is needed."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nextplay_client.files import must_be_as_before
from nextplay_client.uploading.parts import Part, checksum


@dataclass(frozen=True)
class Checksums:
    """Reads one part at a time, in a thread, so that those that are being sent are not held up."""

    path: Path
    before: os.stat_result
    begun: dict[int, asyncio.Task[str]] = field(default_factory=dict)
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def begin(self, parts: Iterable[Part]) -> None:
        """Read these soon, in this order."""
        for part in parts:
            if part.number not in self.begun:
                self.begun[part.number] = asyncio.create_task(self._read(part))

    async def of(self, part: Part) -> str:
        """The SHA-256 of a part, base64; who asks again has it read again. Raises OSError."""
        self.begin([part])
        return await self.begun.pop(part.number)

    async def must_hold(self) -> None:
        """Raises FileChanged where the file was written to since the beginning."""
        await asyncio.to_thread(must_be_as_before, self.path, self.before)

    def end(self) -> None:
        """Stop what was begun and is not needed any more."""
        for task in self.begun.values():
            task.cancel()

    async def _read(self, part: Part) -> str:
        async with self.reading:
            return await asyncio.to_thread(checksum, self.path, part)
