"""Notify's processes: `python -m services.notify serve|migrate|job NAME|dead-letters …`."""

import asyncio
import os
import socket
import sys
from functools import partial

from chassis.auth import ServiceToken, open_verifier
from chassis.command import main
from chassis.consumer import ConsumerHealth, consume
from chassis.grpc_client import channel
from chassis.grpc_server import grpc_server
from chassis.kafka import open_producer
from chassis.postgres import Pool, open_pool
from chassis.run import Service
from chassis.transaction import transactions
from chassis.work import waking, work
from nextplay.notify.v1.notifications_service_pb2_grpc import add_NotificationServiceServicer_to_server
from services.notify import maintenance
from services.notify.consumers import HANDLERS
from services.notify.followers import followers_in_catalog
from services.notify.reads.watching import Watchers, read_behind
from services.notify.repository import open_store
from services.notify.servicer.inbox import Notifications
from services.notify.settings import Settings
from services.notify.usecases import fanouts


async def serve(service: Service, settings: Settings) -> None:
    pool = await _open_pool(service, settings)
    service.check("postgres", lambda: pool.fetchval("SELECT 1"))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))
    catalog = await service.enter(channel(settings.catalog.address, token=ServiceToken(settings.service_token.file)))

    wake = asyncio.Event()
    begin = transactions(pool, open_store, wake.set)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    claim = partial(fanouts.claim_fanouts, begin, owner)
    tell = partial(fanouts.tell_followers, begin, followers_in_catalog(catalog))
    service.task("fan-out", work("fan-out", claim, tell, wake=wake))

    watchers = Watchers()
    service.task("watchers", watchers.keep_informed(partial(read_behind, pool), settings.watch_seconds))

    health = ConsumerHealth()
    service.check("consumer", health.check)
    applying = waking(begin, wake)
    service.task(
        "consumer",
        consume(settings.kafka, name="notify", handlers=HANDLERS, begin=applying, producer=producer, health=health),
    )
    page_key = settings.page_token.key.get_secret_value().encode()
    servicers = [(add_NotificationServiceServicer_to_server, Notifications(pool, begin, watchers, page_key))]
    await service.enter(grpc_server(settings.grpc_bind, servicers, verifier, stopping=service.stopping))


async def delete_old_notifications(service: Service, settings: Settings) -> dict[str, int]:
    pool = await _open_pool(service, settings)
    return await maintenance.delete_old_notifications(transactions(pool, open_store, lambda: None), settings.keep_days)


async def clean_up(service: Service, settings: Settings) -> dict[str, int]:
    return await maintenance.clean_up(await _open_pool(service, settings))


async def _open_pool(service: Service, settings: Settings) -> Pool:
    return await service.enter(open_pool(settings.postgres_dsn.get_secret_value(), application_name=service.name))


if __name__ == "__main__":
    sys.exit(
        main(
            "notify",
            Settings,
            serve=serve,
            jobs={"delete-old-notifications": delete_old_notifications, "clean-up": clean_up},
            migrations="services.notify.migrations",
            consumes=HANDLERS,
        )
    )
