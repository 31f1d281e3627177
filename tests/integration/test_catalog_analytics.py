"""What whoever analyses the product's use learns from the catalog: each step once, with the change that it tells of."""

from datetime import UTC

from catalog_videos import Catalog, Clip
from google.protobuf.message import Message

from chassis.clock import utc_now
from nextplay.analytics.v1 import analytics_events_pb2 as analytics
from services.catalog.domain.commands import Publication

STEPS = (analytics.ProcessingCompleted, analytics.PublishCompleted, analytics.DeleteCompleted)


async def steps_of(catalog: Catalog, clip: Clip) -> list[Message]:
    return [event for event in await catalog.told(clip) if isinstance(event, STEPS)]


async def test_a_video_that_goes_the_whole_way_is_told_of_at_each_step(catalog: Catalog) -> None:
    clip, began = Clip(), utc_now()
    await catalog.claim(clip)
    await catalog.publish(clip, Publication(when_ready=True))
    await catalog.hear(clip.started(), clip.completed(), clip.transcoding(), clip.transcoded())
    await catalog.delete(clip)
    await catalog.delete(clip)
    processed, published, deleted = await steps_of(catalog, clip)
    assert isinstance(processed, analytics.ProcessingCompleted)
    assert (processed.outcome, processed.reason_code, processed.generation) == ("READY", "", 1)
    assert processed.duration_ms == 15_000
    assert began <= processed.completed_at.ToDatetime(UTC) <= utc_now()
    assert isinstance(published, analytics.PublishCompleted)
    assert isinstance(deleted, analytics.DeleteCompleted)
    assert deleted.last_status == "PUBLISHED"
    assert {event.user_id for event in (processed, published, deleted)} == {str(clip.user_id)}
    assert {event.video_id for event in (processed, published, deleted)} == {str(clip.video_id)}


async def test_every_outcome_of_processing_is_told_with_its_reason(catalog: Catalog) -> None:
    outcomes = []
    for end in (Clip.rejected, Clip.failed):
        clip = Clip()
        await catalog.claim(clip)
        await catalog.hear(clip.started(), clip.completed(), clip.transcoding(), end(clip), end(clip))
        outcomes += await steps_of(catalog, clip)
    assert [(event.outcome, event.reason_code) for event in outcomes] == [  # type: ignore[attr-defined]
        ("REJECTED_TOO_LONG", "DURATION_TOO_LONG"),
        ("PROCESSING_FAILED", "TRANSCODER_ERROR"),
    ]
