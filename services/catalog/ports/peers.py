"""What other contexts are asked when a video has been quiet for too long."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from google.protobuf.message import Message


@dataclass(frozen=True)
class Answer:
    """What a context knows: `fact` is the event that tells it, of `time`; None where there is none to tell.

    `known` is False when the context knows no upload or job of that generation.
    """

    known: bool
    fact: Message | None = None
    time: datetime | None = None


class AskPeer(Protocol):
    """Asks upload about an upload, or media about a job. Raises chassis.errors.Failure."""

    async def __call__(self, video_id: UUID, generation: int) -> Answer: ...
