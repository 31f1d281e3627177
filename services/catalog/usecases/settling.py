"""What every decision about a video has in common: it is kept, noted in the timeline and told."""

from dataclasses import replace

from chassis import telemetry, tracing
from services.catalog import metrics
from services.catalog.domain.states import Outcome
from services.catalog.domain.video import Status, Video
from services.catalog.ports import Tx
from services.catalog.usecases import analytics, events

log = telemetry.logger(__name__)


async def settle(tx: Tx, outcome: Outcome) -> Video:
    """Keep, note and emit an outcome about a locked video."""
    await tx.store.videos.save(outcome.video)
    return await tell(tx, outcome)


async def tell(tx: Tx, outcome: Outcome) -> Video:
    """Note and emit an outcome about a video that is kept already."""
    video, transitions = outcome.video, outcome.transitions
    if outcome.assets is not None:
        await tx.store.videos.replace_assets(video.video_id, outcome.assets)
    trace_id = tracing.current_trace_id() or ""
    for entry in (outcome.entry, outcome.sequel):
        if entry:
            await tx.store.videos.note(video.video_id, replace(entry, trace_id=trace_id))
    for transition in transitions:
        tx.emit(events.status_changed(video, transition))
        if transition.to_status is Status.DELETED:
            tx.emit(events.video_deleted(video))
        if step := analytics.step_of(video, transition, outcome.entry.event):
            tx.emit(step)
        metrics.TRANSITIONS.add(1, {"status": transition.to_status.value})
        log.info(
            "video_status_changed",
            video_id=video.video_id,
            user_id=video.user_id,
            status=transition.to_status.value,
            sequence=transition.sequence,
            generation=video.generation,
            reason=transition.reason.code if transition.reason else None,
        )
    reached = {transition.to_status for transition in transitions}
    if Status.READY in reached and video.uploaded_at and video.ready_at:
        seconds = max(0.0, (video.ready_at - video.uploaded_at).total_seconds())
        metrics.PROCESSING_TIME.record(seconds)
        log.info("video_processed", video_id=video.video_id, processing_seconds=seconds)
    if Status.PUBLISHED in reached and video.published_at:
        tx.emit(events.video_published(video, video.published_at))
    return video
