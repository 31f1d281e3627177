"""Telling one publication to all followers of its author, a page of followers at a time."""

from dataclasses import dataclass
from datetime import datetime

from services.notify.domain.notification import Publication

MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fanout:
    """A claimed fan-out. `page_token` names the page that comes next, empty for the first.

    `announced_at` is when the publication was told; `fence` and `attempts` are of the present claim, `attempts` counts
    the claims since the last page that was written.
    """

    publication: Publication
    announced_at: datetime
    page_token: str
    fence: int
    attempts: int

    @property
    def wait_seconds(self) -> float:
        """How long to wait after this attempt failed: 1 s, doubled each time, at most 60 s."""
        return min(MAX_WAIT_SECONDS, 2.0 ** min(self.attempts - 1, 10))


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What is known of a video that was taken back: when it was hidden last, and whether it was deleted."""

    hidden_at: datetime | None
    deleted: bool

    def covers(self, announced_at: datetime) -> bool:
        """Whether a publication announced then is void. One announced after the hiding showed the video again."""
        return self.deleted or (self.hidden_at is not None and announced_at <= self.hidden_at)
