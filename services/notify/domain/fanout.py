"""Telling one publication to all followers of its author, a page of followers at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.notify.domain.notification import Publication

MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fanout:
    """A claimed fan-out. `page_token` names the page that comes next, empty for the first.

    `fence` and `attempts` are of the present claim, `attempts` counts the claims since the last page that was written;
    `trace` is the publication's.
    """

    publication: Publication
    page_token: str
    fence: int
    attempts: int
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def wait_seconds(self) -> float:
        """How long to wait after this attempt failed: 1 s, doubled each time, at most 60 s."""
        return min(MAX_WAIT_SECONDS, 2.0 ** min(self.attempts - 1, 10))
