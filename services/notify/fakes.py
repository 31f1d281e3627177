"""Stand-ins for what notify asks of others, for tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import Unavailable
from services.notify.domain.webhooks import Attempt, Dispatch, Error
from services.notify.ports.fanouts import FollowersPage, PageTokenRefused
from services.notify.ports.webhooks import Unseal


class FakeFollowers:
    """Implements `ports.ListFollowers`: pages of a fixed size; a token is the number of followers before the page."""

    def __init__(self, followers: Sequence[UUID], page_size: int = 1_000) -> None:
        self.followers = list(followers)
        self.page_size = page_size
        self.away = False
        self.refuses_tokens = False

    async def __call__(self, author_id: UUID, page_token: str) -> FollowersPage:
        if self.away:
            raise Unavailable
        if page_token and self.refuses_tokens:
            raise PageTokenRefused
        start = int(page_token or 0)
        end = start + self.page_size
        return FollowersPage(self.followers[start:end], str(end) if end < len(self.followers) else "")


@dataclass(frozen=True)
class Said:
    """What an endpoint answers; `retry_after` is in seconds."""

    status: int
    reply: str = ""
    retry_after: float | None = None

    @property
    def error(self) -> Error | None:
        errors = {2: None, 3: Error.REDIRECT}
        return Error.GONE if self.status == 410 else errors.get(self.status // 100, Error.HTTP_ERROR)


class FakeEndpoints:
    """Implements `ports.webhooks.Send`: each URL answers what is `said`, or fails in the way that is named there; a URL
    that is not there has no public address. `came` is what arrived, in its order."""

    def __init__(self, unseal: Unseal, clock: Clock) -> None:
        self._unseal = unseal
        self._clock = clock
        self.said: dict[str, Said | Error] = {}
        self.came: list[Dispatch] = []

    async def __call__(self, dispatch: Dispatch) -> Attempt:
        said = Error.NOT_SENT if dispatch.is_too_late or not self._can_be_signed(dispatch) else self._ask(dispatch)
        if isinstance(said, Error):
            return Attempt(self._clock(), 0, error=said)
        return Attempt(self._clock(), 0, said.status, said.error, said.reply[:1_024], said.retry_after)

    def _ask(self, dispatch: Dispatch) -> Said | Error:
        said = self.said.get(dispatch.url, Error.NO_PUBLIC_ADDRESS)
        if isinstance(said, Said) or said in (Error.TIMEOUT, Error.PROTOCOL_ERROR):
            self.came.append(dispatch)
        return said

    def _can_be_signed(self, dispatch: Dispatch) -> bool:
        try:
            for secret in filter(None, (dispatch.secret, dispatch.old_secret)):
                self._unseal(dispatch.webhook_id, secret)
        except Exception:
            return False
        return True
