"""Webhooks: endpoints, what is on its way to them, and how it is sent."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeAlias
from uuid import UUID

from services.notify.domain.turns import Rooms
from services.notify.domain.webhooks import Attempt, Claim, Dispatch, Endpoint, Event, Sent, Status, Webhook


@dataclass(frozen=True, slots=True)
class Health:
    """An endpoint, locked, before attempts are written down: `failing_too_long` says that nothing has succeeded for as
    long as an endpoint may fail."""

    webhook_id: UUID
    user_id: UUID
    url: str = field(repr=False)
    host: str
    enabled: bool
    failing: bool
    failing_too_long: bool


class WebhookStore(Protocol):
    """Endpoints and deliveries, read and written inside one transaction."""

    async def lock_user(self, user_id: UUID) -> None:
        """Let the user's next registration wait until the transaction ends."""

    async def count(self, user_id: UUID) -> int:
        """How many endpoints the user has."""

    async def add(self, webhook_id: UUID, user_id: UUID, endpoint: Endpoint, secret: bytes) -> None:
        """Add an endpoint, unless it is there."""

    async def find(self, webhook_id: UUID, user_id: UUID) -> Webhook | None:
        """None also where it is another user's."""

    async def lock(self, webhook_id: UUID, user_id: UUID) -> Webhook | None:
        """The same, locked: nothing is added to its deliveries until the transaction ends."""

    async def replace(self, webhook_id: UUID, endpoint: Endpoint, *, enabled: bool) -> None:
        """Change a locked endpoint."""

    async def delete_deliveries(self, webhook_id: UUID, limit: int) -> int:
        """Delete up to `limit` deliveries of a locked endpoint, the oldest first, with their attempts; how many they
        were."""

    async def delete(self, webhook_id: UUID, user_id: UUID) -> None:
        """Delete it with its deliveries, where it is the user's."""

    async def find_secret(self, webhook_id: UUID, user_id: UUID) -> tuple[bytes, datetime | None] | None:
        """The encrypted secret, and until when the one before holds; None also where it is another user's."""

    async def rotate_secret(self, webhook_id: UUID, secret: bytes, old_seconds: float) -> datetime:
        """Replace the secret of a locked endpoint; until when the old one holds."""

    async def queue(self, event: Event) -> int:
        """Add a delivery for each endpoint that wants the event and does not have it; how many they were."""

    async def queue_test(self, delivery_id: UUID, webhook_id: UUID, payload: str) -> None:
        """Add a test event for a locked endpoint, unless it is there."""

    async def find_delivery(self, delivery_id: UUID, webhook_id: UUID) -> Status | None:
        """Where a delivery of the endpoint stands; locks it."""

    async def send_again(self, delivery_id: UUID, keep_attempts: int) -> None:
        """Begin a locked delivery anew; of its earlier attempts only the latest are kept."""

    async def claim(self, owner: str, seconds: float, rooms: Rooms, place: str) -> tuple[Sequence[Claim], str]:
        """Lease what is due, and no more than there is room for. Looks at 200 hosts from `place` on, "" for the first,
        and tells the host with which to go on: "" where it has seen the last one."""

    async def look_again(self, claims: Sequence[Claim]) -> Sequence[Dispatch | None]:
        """What is sent for each, with the URL and the secrets that its endpoint has now; None where the claim is not
        good any more, where the endpoint is disabled, and where the URL is on another host, for which it then is
        claimed when the lease ends."""

    async def lock_endpoints(self, webhook_ids: Sequence[UUID], failing_seconds: float) -> Sequence[Health]:
        """The health of endpoints, which are locked in their order until the transaction ends."""

    async def set_failing(self, webhook_id: UUID, failing: bool) -> None:
        """Note that a locked endpoint fails from now on, or succeeds."""

    async def disable(self, webhook_id: UUID, reason: str) -> datetime:
        """Send nothing more to a locked endpoint: GONE or FAILING. When that was."""

    async def write(self, sent: Sequence[Sent]) -> int:
        """Write attempts down and give their claims back; how many claims were still good. Others write nothing."""

    async def expire(self, seconds: float, limit: int) -> int:
        """Fail up to `limit` that were tried, and first due more than `seconds` ago; how many they were."""

    async def delete_before(self, days: int, limit: int) -> int:
        """Delete up to `limit` of the deliveries that arrived more than `days` days ago; how many they were."""


Send: TypeAlias = Callable[[Dispatch], Coroutine[Any, Any, Attempt]]
"""`await send(dispatch)`: one signed request, ended within 15 s whatever the endpoint does. Raises nothing of it."""

Seal: TypeAlias = Callable[[UUID, bytes], bytes]
"""`seal(webhook_id, secret)`: the secret as it is stored, encrypted and bound to its endpoint."""
Unseal: TypeAlias = Callable[[UUID, bytes], bytes]
"""`unseal(webhook_id, sealed)`: the secret again."""
