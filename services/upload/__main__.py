"""Upload's processes: `python -m services.upload serve|migrate|job NAME`, and what operators do."""

import asyncio
import os
import socket
import sys
from datetime import timedelta
from functools import partial

from chassis.auth import ServiceToken, open_verifier
from chassis.clock import new_id, utc_now
from chassis.command import main
from chassis.consumer import ConsumerHealth, consume
from chassis.grpc_client import channel
from chassis.grpc_server import grpc_server
from chassis.kafka import open_producer
from chassis.object_store import open_object_store
from chassis.outbox import relay
from chassis.postgres import Pool, open_pool
from chassis.run import Service
from chassis.transaction import transactions
from chassis.work import waking, work
from nextplay.analytics.v1.analytics_events_pb2 import UploadInitiated
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted
from nextplay.upload.v1.upload_service_pb2_grpc import add_UploadServiceServicer_to_server
from operating import needs
from operating.desk import desk_for
from operating.needs import look_after, wait_for
from operating.observe import observe_outbox
from operating.shared import SHARED
from services.upload import maintenance
from services.upload.bucket import BucketRules, watch_bucket
from services.upload.catalog import CatalogOverGrpc
from services.upload.characters import count_characters
from services.upload.commands import GROUPS
from services.upload.consumers import CONSUMED, handlers
from services.upload.domain.announcement import Rules
from services.upload.inventory import BucketInventory
from services.upload.observe import observe_findings
from services.upload.ports import Begin
from services.upload.repository import Repository
from services.upload.servicer import Uploads
from services.upload.settings import Settings
from services.upload.usecases import reconciling
from services.upload.usecases.initiate import Limits
from services.upload.usecases.purging import claim_purges, purge
from services.upload.usecases.reconciling import Care, Reconciler
from services.upload.usecases.signing import URL_SECONDS


async def serve(service: Service, settings: Settings) -> None:
    pool = await _open_pool(service, settings)
    service.check("postgres", lambda: pool.fetchval("SELECT 1"))
    await wait_for(service, schema=partial(needs.schema, pool, "upload"))
    objects = await service.enter(open_object_store(settings.object_store))
    rules = BucketRules(settings.bucket_origins, settings.bucket_abort_days)
    service.task("bucket", watch_bucket(objects.client, objects.bucket, rules, service.facts))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))
    token = ServiceToken(settings.service_token.file)
    catalog = CatalogOverGrpc(await service.enter(channel(settings.catalog.address, token=token)))

    sent = asyncio.Event()
    begin = transactions(pool, Repository, sent.set)
    service.task("relay", relay(pool, producer, wake=sent, schema="upload"))
    service.task("outbox", observe_outbox(pool, "upload"))

    service.task("findings", observe_findings(pool))

    ordered = asyncio.Event()
    claim = partial(claim_purges, begin, f"{socket.gethostname()}:{os.getpid()}")
    service.task("purges", work("purge", claim, partial(purge, begin, objects), wake=ordered))

    look_after(
        service,
        topics=partial(needs.topics, producer, consumed=CONSUMED, produced=[UploadCompleted, UploadInitiated]),
        bucket=partial(needs.bucket, objects, "uploads/"),
        signing_keys=needs.signing_keys(settings.identity),
        service_token=partial(needs.service_token, token),
    )

    health = ConsumerHealth()
    service.check("consumer", health.check)
    service.task(
        "consumer",
        consume(
            settings.kafka,
            name="upload",
            handlers=handlers(settings.keep_original, settings.lifetime + timedelta(seconds=URL_SECONDS)),
            begin=waking(begin, ordered),
            producer=producer,
            health=health,
        ),
    )
    uploads = Uploads(
        pool=pool,
        begin=begin,
        objects=objects,
        catalog=catalog,
        rules=Rules(settings.product.categories, count_characters),
        limits=Limits(settings.initiate_limit, settings.initiate_window, settings.lifetime),
        keep_original=settings.keep_original,
        page_key=settings.page_token.key.get_secret_value().encode(),
        clock=utc_now,
        new_id=new_id,
    )
    servicers = [(add_UploadServiceServicer_to_server, uploads)]
    await service.enter(grpc_server(settings.grpc_bind, servicers, verifier, stopping=service.stopping))


async def cleanup_expired_uploads(service: Service, settings: Settings) -> dict[str, int]:
    begin = _begin(await _open_pool(service, settings))
    return await maintenance.cleanup_expired_uploads(begin, settings.keep_ended_days, settings.initiate_window)


async def finish_completing(service: Service, settings: Settings) -> dict[str, int]:
    begin = _begin(await _open_pool(service, settings))
    objects = await service.enter(open_object_store(settings.object_store))
    return await maintenance.finish_completing(begin, objects, settings.keep_original, settings.completing_seconds)


async def delete_expired_originals(service: Service, settings: Settings) -> dict[str, int]:
    return await maintenance.delete_expired_originals(_begin(await _open_pool(service, settings)))


async def reconcile(service: Service, settings: Settings) -> dict[str, int]:
    begin = _begin(await _open_pool(service, settings))
    objects = await service.enter(open_object_store(settings.object_store))
    care = Care(settings.reconcile_most)
    return await reconciling.reconcile(
        Reconciler(begin, objects, BucketInventory(objects), settings.keep_original, care)
    )


async def clean_up(service: Service, settings: Settings) -> dict[str, int]:
    return await maintenance.clean_up(await _open_pool(service, settings))


async def _open_pool(service: Service, settings: Settings) -> Pool:
    return await service.enter(open_pool(settings.postgres_dsn.get_secret_value(), application_name=service.name))


def _begin(pool: Pool) -> Begin:
    """Transactions of a job: the relay of a serving process finds their events by its poll."""
    return transactions(pool, Repository, lambda: None)


if __name__ == "__main__":
    sys.exit(
        main(
            "upload",
            Settings,
            serve=serve,
            jobs={
                "cleanup-expired-uploads": cleanup_expired_uploads,
                "finish-completing": finish_completing,
                "delete-expired-originals": delete_expired_originals,
                "reconcile": reconcile,
                "clean-up": clean_up,
            },
            migrations="services.upload.migrations",
            operate=desk_for("upload", consumes=CONSUMED, groups=SHARED | GROUPS),
        )
    )
