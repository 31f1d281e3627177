"""Notify's processes: `python -m services.notify serve|migrate|job NAME|dead-letters …`."""

import asyncio
import os
import socket
import sys
from functools import partial

from chassis.auth import ServiceToken, open_verifier
from chassis.clock import utc_now
from chassis.command import main
from chassis.consumer import ConsumerHealth, consume
from chassis.grpc_client import channel
from chassis.grpc_server import Servicer, grpc_server
from chassis.kafka import open_producer
from chassis.postgres import Pool, open_pool
from chassis.run import Service
from chassis.transaction import transactions
from chassis.work import waking, work
from nextplay.notify.v1.devices_service_pb2_grpc import add_DeviceServiceServicer_to_server
from nextplay.notify.v1.notifications_service_pb2_grpc import add_NotificationServiceServicer_to_server
from nextplay.notify.v1.webhooks_service_pb2_grpc import add_WebhookServiceServicer_to_server
from services.notify import maintenance
from services.notify.addresses import Resolve, host_of_field, open_client, open_resolver, open_transport
from services.notify.apart import work_apart
from services.notify.channels import open_channels
from services.notify.consumers import HANDLERS
from services.notify.domain.device import Vendor
from services.notify.domain.limits import Hosts
from services.notify.followers import followers_in_catalog
from services.notify.observe import observe_deliveries
from services.notify.ports import Begin
from services.notify.reads.watching import Watchers, read_behind
from services.notify.repository import open_store
from services.notify.servicer.devices import Devices
from services.notify.servicer.inbox import Notifications
from services.notify.servicer.webhooks import Webhooks
from services.notify.settings import Settings
from services.notify.usecases import deliveries, fanouts, webhook_deliveries, withdrawals
from services.notify.webhooks.dispatching import AT_ONCE as WEBHOOKS_AT_ONCE
from services.notify.webhooks.dispatching import dispatch
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

AT_ONCE = {Vendor.WEB_PUSH: (64, 16), Vendor.FCM: (32, 32), Vendor.APNS: (32, 32)}
"""How many pushes of one process go to a vendor at once, and how many of them to one host."""


async def serve(service: Service, settings: Settings) -> None:
    pool = await _open_pool(service, settings)
    service.check("postgres", lambda: pool.fetchval("SELECT 1"))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))
    catalog = await service.enter(channel(settings.catalog.address, token=ServiceToken(settings.service_token.file)))

    wake = asyncio.Event()
    begin = transactions(pool, open_store, wake.set)
    owner = f"{socket.gethostname()}:{os.getpid()}"

    resolve = await service.enter(open_resolver(settings.called.name_servers))
    applying = await _deliver(service, settings, pool, resolve, begin, waking(begin, wake), owner)

    withdraw_wake = asyncio.Event()
    applying = waking(applying, withdraw_wake)
    claim_withdrawals = partial(withdrawals.claim_withdrawals, begin, owner)
    cancel = partial(withdrawals.cancel_what_is_left, begin)
    service.task("withdraw", work("withdraw", claim_withdrawals, cancel, wake=withdraw_wake))

    claim = partial(fanouts.claim_fanouts, begin, owner)
    tell = partial(fanouts.tell_followers, applying, followers_in_catalog(catalog))
    service.task("fan-out", work("fan-out", claim, tell, wake=wake))

    seals = Seals(bytes.fromhex(settings.webhook.key.get_secret_value()))
    webhooks_wake = asyncio.Event()
    await _send_webhooks(service, settings, resolve, seals, begin, owner, webhooks_wake)
    applying = waking(applying, webhooks_wake)

    watchers = Watchers()
    service.task("watchers", watchers.keep_informed(partial(read_behind, pool), settings.watch_seconds))

    health = ConsumerHealth()
    service.check("consumer", health.check)
    service.task(
        "consumer",
        consume(settings.kafka, name="notify", handlers=HANDLERS, begin=applying, producer=producer, health=health),
    )
    page_key = settings.page_token.key.get_secret_value().encode()
    vapid = settings.web_push.vapid
    rules = settings.called.rules
    host_of_endpoint = host_of_field("web_push.endpoint", rules, resolve)
    devices = Devices(pool, begin, host_of_endpoint, vapid.public_key if vapid else "")
    host_of = host_of_field("url", rules, resolve)
    wake_webhooks = webhooks_wake.set
    webhooks = Webhooks(pool, begin, host_of, seals.seal, seals.unseal, wake_webhooks, page_key, utc_now)
    servicers: list[Servicer] = [
        (add_NotificationServiceServicer_to_server, Notifications(pool, begin, watchers, page_key)),
        (add_DeviceServiceServicer_to_server, devices),
        (add_WebhookServiceServicer_to_server, webhooks),
    ]
    await service.enter(grpc_server(settings.grpc_bind, servicers, verifier, stopping=service.stopping))


async def delete_old_notifications(service: Service, settings: Settings) -> dict[str, int]:
    pool = await _open_pool(service, settings)
    return await maintenance.delete_old_notifications(transactions(pool, open_store, lambda: None), settings.keep_days)


async def clean_up(service: Service, settings: Settings) -> dict[str, int]:
    pool = await _open_pool(service, settings)
    return await maintenance.clean_up(pool, transactions(pool, open_store, lambda: None))


async def _deliver(
    service: Service, settings: Settings, pool: Pool, resolve: Resolve, begin: Begin, applying: Begin, owner: str
) -> Begin:
    """A loop for each vendor, so that none waits for another; an `applying` that wakes them."""
    checked = await service.enter(open_client(settings.called.rules, resolve))
    fcm, apns = settings.fcm, settings.apns
    channels = await service.enter(
        open_channels(checked, settings.web_push.vapid, fcm.account, str(fcm.endpoint), apns.key, str(apns.endpoint))
    )
    hosts: dict[str, Hosts] = {
        vendor: Hosts(in_all=in_all, at_once=at_once) for vendor, (in_all, at_once) in AT_ONCE.items()
    }
    for vendor, channel_to in channels.items():
        wake = asyncio.Event()
        applying = waking(applying, wake)
        claim = partial(deliveries.claim_deliveries, begin, hosts[vendor], vendor, owner)
        deliver = partial(deliveries.deliver, begin, hosts[vendor], channel_to)
        service.task(f"deliver-{vendor}", work_apart(f"deliver-{vendor}", claim, deliver, wake=wake))
    service.task("observe-deliveries", observe_deliveries(pool, hosts))
    return applying


async def _send_webhooks(
    service: Service,
    settings: Settings,
    resolve: Resolve,
    seals: Seals,
    begin: Begin,
    owner: str,
    wake: asyncio.Event,
) -> None:
    rules = settings.called.rules
    transport = await service.enter(open_transport(rules, resolve, connections=WEBHOOKS_AT_ONCE))
    claim = partial(webhook_deliveries.claim_deliveries, begin, owner)
    look_again = partial(webhook_deliveries.look_again, begin)
    write = partial(webhook_deliveries.write_attempts, begin, settings.webhook.failing_days * 24 * 3600)
    service.task("webhooks", dispatch(claim, look_again, sender(transport, seals.unseal, utc_now), write, wake=wake))


async def delete_old_webhook_deliveries(service: Service, settings: Settings) -> dict[str, int]:
    begin = transactions(await _open_pool(service, settings), open_store, lambda: None)
    return await maintenance.delete_old_webhook_deliveries(begin, settings.keep_deliveries_days)


async def end_old_deliveries(service: Service, settings: Settings) -> dict[str, int]:
    begin = transactions(await _open_pool(service, settings), open_store, lambda: None)
    return await maintenance.end_old_deliveries(begin, settings.keep_deliveries_days)


async def _open_pool(service: Service, settings: Settings) -> Pool:
    return await service.enter(open_pool(settings.postgres_dsn.get_secret_value(), application_name=service.name))


if __name__ == "__main__":
    sys.exit(
        main(
            "notify",
            Settings,
            serve=serve,
            jobs={
                "delete-old-notifications": delete_old_notifications,
                "end-old-deliveries": end_old_deliveries,
                "delete-old-webhook-deliveries": delete_old_webhook_deliveries,
                "clean-up": clean_up,
            },
            migrations="services.notify.migrations",
            consumes=HANDLERS,
        )
    )
