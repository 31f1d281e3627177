"""What an instance knows at the moment about queue and pace, for estimates that cost a poll nothing."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis import telemetry
from chassis.errors import Unavailable
from services.catalog.domain.outlook import Outlook

log = telemetry.logger(__name__)


class Forecast:
    """The present outlook: read again every few seconds, and told media's pace by its signals."""

    def __init__(self) -> None:
        self.outlook = Outlook()
        self._jobs_per_minute = 0.0

    def note_pace(self, jobs_per_minute: float) -> None:
        """Media finished so many jobs in the last minute."""
        self._jobs_per_minute = jobs_per_minute

    async def keep_current(self, read: Callable[[float], Awaitable[Outlook]], seconds: float) -> None:
        """Read the outlook with the pace that media signalled, until cancelled; keep the last one while that fails."""
        while True:
            try:
                self.outlook = await read(self._jobs_per_minute)
            except Unavailable as error:
                log.warning("outlook_not_read", reason=str(error))
            await asyncio.sleep(seconds)
