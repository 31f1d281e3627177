"""The job that deletes what was never finished."""

from collections.abc import Mapping
from datetime import timedelta

from chassis.clock import utc_now
from services.catalog.ports import Begin
from services.catalog.usecases import archiving


async def archive_old_videos(begin: Begin, days: int) -> Mapping[str, int]:
    """Once a day. Two runs at once share the work: each video is locked and looked at again."""
    return {"archived": await archiving.archive_old_videos(begin, timedelta(days=days), utc_now)}
