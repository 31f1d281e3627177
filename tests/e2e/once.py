"""That everything about a video happened once, whatever happened twice."""

from deploy.local.stack import Stack
from nextplay.catalog.v1.catalog_events_pb2 import VideoStatusChanged
from tests.e2e.broker import records_of, type_of
from tests.e2e.people import Uploaded, until


def told(platform: Stack, video_id: str, topic: str, event: str) -> list[bytes]:
    """The events of a type about a video, in the order in which they were first sent. A process that dies before it has
    noted that it sent one sends it again: its id, by which consumers know it, is the same."""
    records = records_of(platform, video_id, topic)
    by_id = {dict(record.headers)["ce_id"]: record.value or b"" for record in records if type_of(record) == event}
    return list(by_id.values())


def sequences(platform: Stack, video_id: str) -> list[int]:
    """The sequences that VideoStatusChanged told, in order of sending."""
    events = told(platform, video_id, "nextplay.catalog.events.v1", "VideoStatusChanged")
    return [VideoStatusChanged.FromString(event).sequence for event in events]


def ready_once(platform: Stack, uploaded: Uploaded) -> None:
    """One TranscodeCompleted was told, one "Video ready!" written, and sequences have no gap."""
    assert len(told(platform, uploaded.video_id, "nextplay.media.events.v1", "TranscodeCompleted")) == 1
    inbox = until(
        lambda: (
            [
                entry
                for entry in uploaded.owner.get("/v1/notifications").json()["notifications"]
                if entry["video_id"] == uploaded.video_id
            ]
            or None
        ),
        seconds=20,
        what="the notification of the owner",
    )
    assert [entry["kind"] for entry in inbox] == ["video_ready"]
    final = uploaded.status()["sequence"]
    until(
        lambda: sequences(platform, uploaded.video_id) == list(range(1, final + 1)) or None,
        seconds=20,
        what="every sequence told once",
    )
