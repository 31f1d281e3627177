"""The caller's webhooks."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.auth import current_user
from chassis.clock import Clock, new_id
from chassis.grpc_server import idempotency_key
from chassis.idempotency import Replay, reserve, store_reply
from chassis.postgres import Pool
from chassis.validation import parse_uuid
from nextplay.notify.v1 import webhooks_service_pb2 as messages
from nextplay.notify.v1.webhooks_service_pb2_grpc import WebhookServiceServicer
from services.notify.domain.allowances import WEBHOOK_CHANGES
from services.notify.mapping import webhooks as mapping
from services.notify.ports import Begin
from services.notify.ports.hosts import HostOf
from services.notify.ports.webhooks import Seal, Unseal
from services.notify.reads import webhooks as reads
from services.notify.usecases import allowances
from services.notify.usecases import webhooks as usecases

SECRET_BYTES = 32


@dataclass(frozen=True)
class Webhooks(WebhookServiceServicer):
    """Registers, changes and tries webhooks. A reply is stored for its Idempotency-Key without the secret in it, which
    a repeat reads where it is encrypted. `wake` is called when something is to be sent."""

    pool: Pool
    begin: Begin
    host_of: HostOf
    seal: Seal
    unseal: Unseal
    wake: Callable[[], None]
    page_key: bytes
    clock: Clock

    async def CreateWebhook(
        self, request: messages.CreateWebhookRequest, context: Any
    ) -> messages.CreateWebhookResponse:
        user_id = current_user().user_id
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method="CreateWebhook",
            request=request,
            reply_type=messages.CreateWebhookResponse,
            ids={"webhook_id": new_id()},
        ) as reserved:
            if isinstance(reserved, Replay):
                reply = reserved.reply
                webhook_id = UUID(reply.webhook.webhook_id)
            else:
                webhook_id = reserved.ids["webhook_id"]
                await self._count_change(user_id)
                endpoint = mapping.endpoint_from(request, await self.host_of(request.url))
                sealed = self.seal(webhook_id, secrets.token_bytes(SECRET_BYTES))
                async with self.begin() as tx:
                    webhook = await usecases.create(tx, webhook_id, user_id, endpoint, sealed)
                    reply = messages.CreateWebhookResponse(webhook=mapping.webhook_message(webhook))
                    await store_reply(tx.connection, reserved, reply)
        async with self.begin() as tx:
            kept, _ = await usecases.find_secret(tx, webhook_id, user_id)
        reply.secret = mapping.secret_text(self.unseal(webhook_id, kept))
        return reply

    async def ListWebhooks(self, request: messages.ListWebhooksRequest, context: Any) -> messages.ListWebhooksResponse:
        found = await reads.list_webhooks(self.pool, current_user().user_id)
        return messages.ListWebhooksResponse(webhooks=map(mapping.webhook_message, found))

    async def GetWebhook(self, request: messages.GetWebhookRequest, context: Any) -> messages.GetWebhookResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        found = await reads.find_webhook(self.pool, webhook_id, current_user().user_id)
        return messages.GetWebhookResponse(webhook=mapping.webhook_message(found))

    async def ReplaceWebhook(
        self, request: messages.ReplaceWebhookRequest, context: Any
    ) -> messages.ReplaceWebhookResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        user_id = current_user().user_id
        found = await reads.find_webhook(self.pool, webhook_id, user_id)
        await self._count_change(user_id)
        enabled = request.enabled or not request.HasField("enabled")
        # Who switches an endpoint off may do so because its name is known no more.
        is_called = enabled or request.url != found.url
        endpoint = mapping.endpoint_from(request, await self.host_of(request.url) if is_called else found.host)
        async with self.begin() as tx:
            webhook = await usecases.replace(tx, webhook_id, user_id, endpoint, enabled=enabled)
        return messages.ReplaceWebhookResponse(webhook=mapping.webhook_message(webhook))

    async def DeleteWebhook(
        self, request: messages.DeleteWebhookRequest, context: Any
    ) -> messages.DeleteWebhookResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        await usecases.delete(self.begin, webhook_id, current_user().user_id)
        return messages.DeleteWebhookResponse()

    async def RotateWebhookSecret(
        self, request: messages.RotateWebhookSecretRequest, context: Any
    ) -> messages.RotateWebhookSecretResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        user_id = current_user().user_id
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method="RotateWebhookSecret",
            request=request,
            reply_type=messages.RotateWebhookSecretResponse,
            ids={},
        ) as reserved:
            if not isinstance(reserved, Replay):
                sealed = self.seal(webhook_id, secrets.token_bytes(SECRET_BYTES))
                async with self.begin() as tx:
                    await usecases.rotate_secret(tx, webhook_id, user_id, sealed)
                    await store_reply(tx.connection, reserved, messages.RotateWebhookSecretResponse())
        async with self.begin() as tx:
            kept, old_secret_until = await usecases.find_secret(tx, webhook_id, user_id)
        return mapping.rotated(self.unseal(webhook_id, kept), old_secret_until)

    async def ListWebhookDeliveries(
        self, request: messages.ListWebhookDeliveriesRequest, context: Any
    ) -> messages.ListWebhookDeliveriesResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        user_id = current_user().user_id
        asked = mapping.deliveries_asked(request, webhook_id, user_id, self.page_key)
        found = await reads.list_deliveries(self.pool, webhook_id, user_id, asked.after, asked.limit)
        return mapping.deliveries_page(asked, found)

    async def ResendWebhookDelivery(
        self, request: messages.ResendWebhookDeliveryRequest, context: Any
    ) -> messages.ResendWebhookDeliveryResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        delivery_id = parse_uuid("delivery_id", request.delivery_id)
        user_id = current_user().user_id
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method="ResendWebhookDelivery",
            request=request,
            reply_type=messages.ResendWebhookDeliveryResponse,
            ids={},
        ) as reserved:
            if isinstance(reserved, Replay):
                return reserved.reply
            reply = messages.ResendWebhookDeliveryResponse(delivery_id=str(delivery_id))
            async with self.begin() as tx:
                await usecases.resend(tx, delivery_id, webhook_id, user_id)
                await store_reply(tx.connection, reserved, reply)
        self.wake()
        return reply

    async def TestWebhook(self, request: messages.TestWebhookRequest, context: Any) -> messages.TestWebhookResponse:
        webhook_id = parse_uuid("webhook_id", request.webhook_id)
        user_id = current_user().user_id
        async with reserve(
            self.pool,
            key=idempotency_key(),
            user_id=user_id,
            method="TestWebhook",
            request=request,
            reply_type=messages.TestWebhookResponse,
            ids={"delivery_id": new_id()},
        ) as reserved:
            if isinstance(reserved, Replay):
                return reserved.reply
            delivery_id = reserved.ids["delivery_id"]
            reply = messages.TestWebhookResponse(delivery_id=str(delivery_id))
            async with self.begin() as tx:
                await usecases.test(tx, delivery_id, webhook_id, user_id, self.clock())
                await store_reply(tx.connection, reserved, reply)
        self.wake()
        return reply

    async def _count_change(self, user_id: UUID) -> None:
        """Before the DNS is asked, and whatever comes of it. Raises TooOften."""
        async with self.begin() as tx:
            await allowances.use(tx, user_id, WEBHOOK_CHANGES)
