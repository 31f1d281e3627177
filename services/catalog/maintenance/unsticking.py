"""The job that asks after quiet videos."""

from collections.abc import Mapping
from datetime import timedelta

from chassis.clock import utc_now
from services.catalog.ports import Begin
from services.catalog.ports.peers import AskPeer
from services.catalog.usecases import unsticking


async def unstick_videos(
    begin: Begin, ask_upload: AskPeer, ask_media: AskPeer, uploading_seconds: int, processing_seconds: int
) -> Mapping[str, int]:
    """Every five minutes. Two runs at once ask twice and apply once."""
    patience = unsticking.Patience(timedelta(seconds=uploading_seconds), timedelta(seconds=processing_seconds))
    return await unsticking.unstick_videos(begin, ask_upload, ask_media, patience, utc_now)
