"""Stand-ins for what notify asks of others, for tests."""

from collections.abc import Sequence
from uuid import UUID

from chassis.errors import Unavailable
from services.notify.ports.fanouts import FollowersPage, PageTokenRefused


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
