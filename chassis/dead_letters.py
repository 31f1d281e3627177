"""Dead letters: events that a consumer could not apply, kept in `<topic>.dlq` until an operator decides."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from chassis.settings import KafkaSettings


@dataclass(frozen=True)
class DeadLetter:
    """One open dead letter. `id` names it (`<consumer>/<topic>/<partition>/<offset>` of the original record)."""

    id: str
    consumer: str
    topic: str
    event_type: str
    event_id: str
    key: str
    reason: str
    failed_at: datetime


async def list_dead_letters(settings: KafkaSettings, consumer: str, topics: Collection[str]) -> list[DeadLetter]:
    """The open dead letters of `consumer` on `topics` (the original ones), oldest first."""
    raise NotImplementedError


async def retry_dead_letters(
    settings: KafkaSettings, consumer: str, topics: Collection[str], ids: Collection[str] | None = None
) -> int:
    """Publish the named letters (None: all) to their original topic again, same event id, and close them; how many."""
    raise NotImplementedError


async def drop_dead_letters(
    settings: KafkaSettings, consumer: str, topics: Collection[str], ids: Collection[str] | None = None
) -> int:
    """Close the named letters (None: all) without applying them; how many."""
    raise NotImplementedError
