"""Watchers of videos: one query a tick for all of them, and one slot of memory for each."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress

from chassis import telemetry
from chassis.errors import Unavailable
from services.catalog.domain.outlook import progress
from services.catalog.domain.video import Status
from services.catalog.reads.status import OwnVideo, Standing

ENDS = {
    Status.PUBLISHED,
    Status.REJECTED_TOO_LONG,
    Status.REJECTED_FORMAT,
    Status.PROCESSING_FAILED,
    Status.DELETED,
}

log = telemetry.logger(__name__)

Read = Callable[[Collection[OwnVideo]], Awaitable[Mapping[OwnVideo, Standing]]]


class _Slot:
    """What a watcher has not seen yet: the latest standing alone, so that a slow reader holds no memory."""

    def __init__(self) -> None:
        self._filled = asyncio.Event()
        self._standing: Standing | None = None

    def put(self, standing: Standing) -> None:
        self._standing = standing
        self._filled.set()

    async def take(self) -> Standing:
        await self._filled.wait()
        self._filled.clear()
        standing = self._standing
        assert standing is not None  # noqa: S101 - filled is only set with a standing
        return standing


class Watchers:
    """The watchers of an instance."""

    def __init__(self) -> None:
        self._slots: defaultdict[OwnVideo, set[_Slot]] = defaultdict(set)
        self._somebody = asyncio.Event()
        self._changed = asyncio.Event()

    async def watch(self, present: Standing, after_sequence: int = 0) -> AsyncGenerator[Standing, None]:
        """The present standing, unless it is as old as `after_sequence`, then each later one with a change of status or
        progress, the latest where several passed. Ends after a status that ends the way.
        """
        own, slot = present.own, _Slot()
        self._slots[own].add(slot)
        self._somebody.set()
        try:
            standing = present
            if present.video.sequence > after_sequence:
                yield present
            seen = _reached(present)
            while standing.video.status not in ENDS:
                standing = await slot.take()
                if _reached(standing) > seen:
                    yield standing
                    seen = _reached(standing)
        finally:
            self._slots[own].discard(slot)
            if not self._slots[own]:
                del self._slots[own]

    @property
    def watched(self) -> Collection[OwnVideo]:
        """The videos that somebody watches, with their owners."""
        return list(self._slots)

    def tell(self, standings: Mapping[OwnVideo, Standing]) -> None:
        """Give each watcher the latest of its video."""
        for own, standing in standings.items():
            for slot in self._slots.get(own, ()):
                slot.put(standing)

    def look_soon(self) -> None:
        """Something has changed in this instance: it may be what somebody waits for."""
        self._changed.set()

    async def keep_informed(self, read: Read, seconds: float) -> None:
        """Read all watched videos at once, every `seconds` while somebody watches, until cancelled.

        And once more in each tick at most, as soon as something has changed in this instance.
        """
        once_more = False
        while True:
            if not self._slots:
                self._somebody.clear()
                await self._somebody.wait()
            self._changed.clear()
            try:
                self.tell(await read(self.watched))
            except Unavailable as error:
                log.warning("watched_videos_not_read", watched=len(self._slots), reason=str(error))
            if once_more:
                once_more = False
                await asyncio.sleep(seconds)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        once_more = await self._changed.wait()


def _reached(standing: Standing) -> tuple[int, int, int]:
    """Grows with everything that a watcher is told. A replica that is behind never takes a watcher back."""
    video = standing.video
    return (video.generation, video.sequence, progress(video, standing.run))
