"""What was never finished is deleted in the end."""

from datetime import timedelta

from chassis.clock import Clock
from services.catalog.domain import commands
from services.catalog.ports import Begin
from services.catalog.usecases.settling import settle

AT_ONCE = 500


async def archive_old_videos(begin: Begin, age: timedelta, clock: Clock) -> int:
    """Delete every video older than `age` that is still DRAFT or REJECTED_*; how many. One transaction each."""
    archived = 0
    while True:
        async with begin() as tx:
            abandoned = await tx.store.videos.find_abandoned(age, AT_ONCE)
        if not abandoned:
            return archived
        for video_id in abandoned:
            async with begin() as tx:
                video = await tx.store.videos.lock(video_id)
                outcome = commands.archive(video, clock()) if video else None
                if outcome:
                    await settle(tx, outcome)
                    archived += 1
