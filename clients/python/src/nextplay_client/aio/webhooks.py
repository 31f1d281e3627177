"""Endpoints of own programs that are told what happens to one's videos."""

import builtins
from collections.abc import AsyncIterator, Sequence
from typing import cast

from nextplay_client.gateway import Gateway
from nextplay_client.types import CreatedWebhook, Delivery, RotatedSecret, Webhook


class AsyncWebhooks:
    """`client.webhooks`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def create(
        self, url: str, *, event_types: Sequence[str] | None = None, description: str | None = None
    ) -> CreatedWebhook:
        """Register an HTTPS endpoint, for all event types where none are named; at most 10 per user.

        The reply's `secret` verifies its requests (`nextplay_client.webhooks.verify`) and is shown here alone.
        """
        types = None if event_types is None else [*event_types]
        reply = await self._gateway.post("/v1/webhooks", url=url, event_types=types, description=description)
        return cast(CreatedWebhook, reply)

    async def list(self) -> builtins.list[Webhook]:
        """Own endpoints, newest first."""
        return cast(builtins.list[Webhook], (await self._gateway.get("/v1/webhooks"))["webhooks"])

    async def get(self, webhook_id: str) -> Webhook:
        """An own endpoint."""
        return cast(Webhook, (await self._gateway.get(f"/v1/webhooks/{webhook_id}"))["webhook"])

    async def replace(
        self,
        webhook_id: str,
        *,
        url: str,
        event_types: Sequence[str] | None = None,
        description: str | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """Replace what an endpoint is, but for its secret; enables it, unless `enabled` is False."""
        reply = await self._gateway.put(
            f"/v1/webhooks/{webhook_id}",
            url=url,
            event_types=None if event_types is None else [*event_types],
            description=description,
            enabled=enabled,
        )
        return cast(Webhook, reply["webhook"])

    async def delete(self, webhook_id: str) -> None:
        """Delete an endpoint with its secret and its deliveries. Safe to repeat."""
        await self._gateway.delete(f"/v1/webhooks/{webhook_id}")

    async def rotate_secret(self, webhook_id: str) -> RotatedSecret:
        """Give an endpoint a new secret; for 24 hours its requests carry signatures of both."""
        return cast(RotatedSecret, await self._gateway.post(f"/v1/webhooks/{webhook_id}/rotate-secret"))

    async def deliveries(self, webhook_id: str, *, limit: int | None = None) -> AsyncIterator[Delivery]:
        """What was sent to an endpoint in the last 30 days, newest first, with its latest attempts."""
        async for delivery in self._gateway.entries(f"/v1/webhooks/{webhook_id}/deliveries", "deliveries", limit):
            yield delivery

    async def resend(self, webhook_id: str, delivery_id: str) -> None:
        """Send a delivery that has ended again, with the same id and body."""
        await self._gateway.post(f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/resend")

    async def test(self, webhook_id: str) -> str:
        """Send a `webhook.test` event to an endpoint; the id of its delivery."""
        return cast(str, (await self._gateway.post(f"/v1/webhooks/{webhook_id}/test"))["delivery_id"])
