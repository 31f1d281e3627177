"""Endpoints of own programs that are told what happens to one's videos.

Made of aio/webhooks.py by generate/make_sync.py, not by hand.
"""

import builtins
from collections.abc import Iterator, Sequence

from nextplay_client.aio.webhooks import AsyncWebhooks
from nextplay_client.loop_thread import LoopThread
from nextplay_client.types import CreatedWebhook, Delivery, RotatedSecret, Webhook


class Webhooks:
    """`client.webhooks`."""

    def __init__(self, thread: LoopThread, served: AsyncWebhooks) -> None:
        self._thread = thread
        self._served = served

    def create(
        self, url: str, *, event_types: Sequence[str] | None = None, description: str | None = None
    ) -> CreatedWebhook:
        """Register an HTTPS endpoint, for all event types where none are named; at most 10 per user.

        The reply's `secret` verifies its requests (`nextplay_client.webhooks.verify`) and is shown here alone.
        """
        return self._thread.run(self._served.create(url, event_types=event_types, description=description))

    def list(self) -> builtins.list[Webhook]:
        """Own endpoints, newest first."""
        return self._thread.run(self._served.list())

    def get(self, webhook_id: str) -> Webhook:
        """An own endpoint."""
        return self._thread.run(self._served.get(webhook_id))

    def replace(
        self,
        webhook_id: str,
        *,
        url: str,
        event_types: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Replace what an endpoint is, but for its secret; enables it, unless `enabled` is False."""
        return self._thread.run(
            self._served.replace(webhook_id, url=url, event_types=event_types, description=description, enabled=enabled)
        )

    def delete(self, webhook_id: str) -> None:
        """Delete an endpoint with its secret and its deliveries. Safe to repeat."""
        self._thread.run(self._served.delete(webhook_id))

    def rotate_secret(self, webhook_id: str) -> RotatedSecret:
        """Give an endpoint a new secret; for 24 hours its requests carry signatures of both."""
        return self._thread.run(self._served.rotate_secret(webhook_id))

    def deliveries(self, webhook_id: str, *, limit: int | None = None) -> Iterator[Delivery]:
        """What was sent to an endpoint in the last 30 days, newest first, with its latest attempts."""
        return self._thread.iterate(self._served.deliveries(webhook_id, limit=limit))

    def resend(self, webhook_id: str, delivery_id: str) -> None:
        """Send a delivery that has ended again, with the same id and body."""
        self._thread.run(self._served.resend(webhook_id, delivery_id))

    def test(self, webhook_id: str) -> str:
        """Send a `webhook.test` event to an endpoint; the id of its delivery."""
        return self._thread.run(self._served.test(webhook_id))
