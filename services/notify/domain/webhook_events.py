"""What endpoints are told, as JSON: `{"type", "timestamp", "data"}`, as the specification Standard Webhooks has it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from services.notify.domain.notification import Reason
from services.notify.domain.webhooks import Event

TYPE_OF_STATUS: Mapping[str, str] = {
    "READY": "video.ready",
    "PROCESSING_FAILED": "video.failed",
    "REJECTED_TOO_LONG": "video.rejected",
    "REJECTED_FORMAT": "video.rejected",
}
PUBLISHED, HIDDEN, DELETED, TEST = "video.published", "video.hidden", "video.deleted", "webhook.test"


@dataclass(frozen=True, slots=True)
class VideoState:
    """What is told of a video. Of two events the one with the larger `sequence` is the later one; a video that is
    hidden or shown keeps its status and with it the sequence."""

    video_id: str
    title: str
    status: str
    sequence: int
    generation: int
    visibility: str | None = None
    reason: Reason | None = None


def video_event(event_id: UUID, event_type: str, owner_id: UUID, time: datetime, video: VideoState) -> Event:
    """What happened to a video, for the endpoints of its owner; fields that say nothing are left out."""
    said = {name: value for name, value in asdict(video).items() if value is not None}
    return Event(event_id, owner_id, event_type, _payload(event_type, time, said))


def payload_of_test(webhook_id: UUID, time: datetime) -> str:
    """What tries an endpoint out."""
    return _payload(TEST, time, {"webhook_id": str(webhook_id)})


def _payload(event_type: str, time: datetime, data: Mapping[str, object]) -> str:
    said = {"type": event_type, "timestamp": time.isoformat().replace("+00:00", "Z"), "data": data}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))
