"""Notify's processes: `python -m services.notify serve|migrate|job NAME`, and what operators do."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping
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
from operating import needs
from operating.desk import desk_for
from operating.needs import look_after, wait_for
from operating.shared import SHARED
from services.notify import maintenance
from services.notify.addresses import Resolve, host_of_field, open_client, open_resolver, open_transport
from services.notify.channels import open_channels
from services.notify.commands import GROUPS
from services.notify.consumers import HANDLERS
from services.notify.delivering import deliver
from services.notify.domain.device import Vendor
from services.notify.domain.turns import Turns
from services.notify.followers import followers_in_catalog
from services.notify.observe import observe_deliveries
from services.notify.ports import Begin
from services.notify.reads.watching import Watchers, read_behind
from services.notify.repository import open_store
from services.notify.servicer.devices import Devices
from services.notify.servicer.inbox import Notifications
from services.notify.servicer.webhooks import Webhooks
from services.notify.settings import Settings
from services.notify.usecases import deliveries, fanouts, withdrawals
from services.notify.usecases.deliveries import way_to_devices
from services.notify.usecases.webhook_deliveries import way_to_webhooks
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

WEBHOOK = "webhook"
PER_USER_AND_VENDOR = 8


def _turns() -> Mapping[str, Turns]:
    """How much of each channel one process sends at once."""
    return {
        Vendor.WEB_PUSH: Turns(in_all=64, per_host=16, per_user=PER_USER_AND_VENDOR),
        Vendor.FCM: Turns(in_all=32, per_host=32, per_user=PER_USER_AND_VENDOR),
        Vendor.APNS: Turns(in_all=32, per_host=32, per_user=PER_USER_AND_VENDOR),
        WEBHOOK: Turns(in_all=256, per_host=16, per_user=64),
    }


async def serve(service: Service, settings: Settings) -> None:
    pool = await _open_pool(service, settings)
    service.check("postgres", lambda: pool.fetchval("SELECT 1"))
    await wait_for(service, schema=partial(needs.schema, pool, "notify"))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))
    token = ServiceToken(settings.service_token.file)
    catalog = await service.enter(channel(settings.catalog.address, token=token))

    begin = transactions(pool, open_store, lambda: None)
    owner = f"{socket.gethostname()}:{os.getpid()}"

    turns = _turns()
    # Whatever an event or a page of a fan-out brings wakes everybody who may have to do with it.
    wakes = {name: asyncio.Event() for name in ("fan-out", "withdraw", "refuse", *turns)}
    applying = begin
    for wake in wakes.values():
        applying = waking(applying, wake)

    resolve = await service.enter(open_resolver(settings.called.name_servers))
    seals = Seals(bytes.fromhex(settings.webhook.key.get_secret_value()))
    await _push(service, settings, resolve, begin, owner, turns, wakes)
    await _send_webhooks(service, settings, resolve, seals, begin, owner, turns[WEBHOOK], wakes[WEBHOOK])
    service.task("observe-deliveries", observe_deliveries(pool, turns))

    claim = partial(fanouts.claim_fanouts, begin, owner)
    tell = partial(fanouts.tell_followers, applying, followers_in_catalog(catalog))
    service.task("fan-out", work("fan-out", claim, tell, wake=wakes["fan-out"]))

    claim_left = partial(withdrawals.claim_withdrawals, begin, owner)
    cancel = partial(withdrawals.cancel_what_is_left, begin)
    service.task("withdraw", work("withdraw", claim_left, cancel, wake=wakes["withdraw"]))

    watchers = Watchers()
    service.task("watchers", watchers.keep_informed(partial(read_behind, pool), settings.watch_seconds))

    look_after(
        service,
        topics=partial(needs.topics, producer, consumed=HANDLERS),
        signing_keys=needs.signing_keys(settings.identity),
        service_token=partial(needs.service_token, token),
    )

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
    webhooks = Webhooks(pool, begin, host_of, seals.seal, seals.unseal, wakes[WEBHOOK].set, page_key, utc_now)
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


async def _push(
    service: Service,
    settings: Settings,
    resolve: Resolve,
    begin: Begin,
    owner: str,
    turns: Mapping[str, Turns],
    wakes: Mapping[str, asyncio.Event],
) -> None:
    """A loop for each vendor, so that none waits for another, and one that gives up what is pending for those that are
    off."""
    checked = await service.enter(open_client(settings.called.rules, resolve))
    fcm, apns = settings.fcm, settings.apns
    channels = await service.enter(
        open_channels(checked, settings.web_push.vapid, fcm.account, str(fcm.endpoint), apns.key, str(apns.endpoint))
    )
    for vendor, channel_to in channels.items():
        way = way_to_devices(begin, vendor, owner, channel_to)
        service.task(way.name, deliver(way, turns[vendor], wake=wakes[vendor]))
    find = partial(deliveries.vendors_waited_for, begin, [vendor for vendor in Vendor if vendor not in channels])
    service.task("refuse", work("refuse", find, partial(deliveries.refuse, begin), wake=wakes["refuse"]))


async def _send_webhooks(
    service: Service,
    settings: Settings,
    resolve: Resolve,
    seals: Seals,
    begin: Begin,
    owner: str,
    turns: Turns,
    wake: asyncio.Event,
) -> None:
    transport = await service.enter(open_transport(settings.called.rules, resolve, connections=turns.in_all))
    failing_seconds = settings.webhook.failing_days * 24 * 3600
    way = way_to_webhooks(begin, owner, sender(transport, seals.unseal, utc_now), failing_seconds)
    service.task(way.name, deliver(way, turns, wake=wake))


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
            operate=desk_for("notify", consumes=HANDLERS, groups=SHARED | GROUPS),
        )
    )
