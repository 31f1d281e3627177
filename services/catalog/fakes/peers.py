"""Stand-ins for what is outside of the catalog."""

from datetime import datetime
from uuid import UUID

from google.protobuf.message import Message

from chassis.errors import Unavailable
from services.catalog.ports.peers import Answer


class FakePeer:
    """Implements `ports.peers.AskPeer` from what it was told: upload about its uploads, or media about its jobs."""

    def __init__(self) -> None:
        self.asked: list[tuple[UUID, int]] = []
        self.away = False
        self._known: dict[tuple[UUID, int], Answer] = {}

    def knows(self, video_id: UUID, generation: int, fact: Message | None = None, time: datetime | None = None) -> None:
        """From now on there is an upload or job of this generation, and this is its latest fact."""
        self._known[video_id, generation] = Answer(True, fact, time)

    async def __call__(self, video_id: UUID, generation: int) -> Answer:
        self.asked.append((video_id, generation))
        if self.away:
            raise Unavailable
        return self._known.get((video_id, generation), Answer(False))
