"""The catalog's processes: `python -m services.catalog serve|migrate|job NAME`, and what operators do."""

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
from chassis.object_store import ObjectStore, open_object_store
from chassis.outbox import relay
from chassis.postgres import Database, open_database
from chassis.run import Service
from chassis.transaction import transactions
from chassis.work import waking, work
from nextplay.analytics.v1.analytics_events_pb2 import PublishCompleted
from nextplay.catalog.v1.catalog_events_pb2 import VideoPublished
from nextplay.catalog.v1.feeds_service_pb2_grpc import add_FeedServiceServicer_to_server
from nextplay.catalog.v1.follows_service_pb2_grpc import add_FollowServiceServicer_to_server
from nextplay.catalog.v1.ingest_service_pb2_grpc import add_IngestServiceServicer_to_server
from nextplay.catalog.v1.playback_service_pb2_grpc import add_PlaybackServiceServicer_to_server
from nextplay.catalog.v1.publishing_service_pb2_grpc import add_PublishingServiceServicer_to_server
from nextplay.catalog.v1.videos_service_pb2_grpc import add_VideoServiceServicer_to_server
from operating import needs
from operating.desk import desk_for
from operating.needs import look_after, wait_for
from operating.observe import observe_outbox
from operating.shared import SHARED
from services.catalog import maintenance
from services.catalog.characters import count_characters
from services.catalog.commands import GROUPS
from services.catalog.consumers import facts, feeds
from services.catalog.consumers.signals import signal_handlers
from services.catalog.domain.wording import Rules
from services.catalog.listening import handle_signals
from services.catalog.peers import media_over_grpc, upload_over_grpc
from services.catalog.playlists import stored_playlists
from services.catalog.ports import Begin
from services.catalog.ports.playback import SignUrl
from services.catalog.reads import status
from services.catalog.reads.forecast import Forecast
from services.catalog.reads.replica import watch_replica
from services.catalog.reads.watching import Watchers
from services.catalog.repository import open_store
from services.catalog.servicer.feeds import Feeds
from services.catalog.servicer.follows import Follows
from services.catalog.servicer.ingest import Ingest
from services.catalog.servicer.playback import Playback
from services.catalog.servicer.publishing import Publishing
from services.catalog.servicer.videos import Videos
from services.catalog.settings import Settings, rsa_key
from services.catalog.signing import asset_urls, cloudfront_urls, s3_urls
from services.catalog.usecases.feeds import claim_fanouts, update_feeds

UPLOAD_HANDLERS = facts.upload_handlers(utc_now)
HANDLERS = {**UPLOAD_HANDLERS, **facts.media_handlers(utc_now), **feeds.HANDLERS}


async def serve(service: Service, settings: Settings) -> None:
    database = await _open_database(service, settings)
    service.check("postgres", lambda: database.primary.fetchval("SELECT 1"))
    await wait_for(service, schema=partial(needs.schema, database.primary, "catalog"))
    if settings.postgres_replica_dsn:
        service.task("replica", watch_replica(database, settings.replica_lag_seconds))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))
    objects = await service.enter(open_object_store(settings.object_store))

    emitted, fanout_due, watchers = asyncio.Event(), asyncio.Event(), Watchers()

    def committed() -> None:
        emitted.set()
        watchers.look_soon()

    begin = transactions(database.primary, open_store, committed)
    service.task("relay", relay(database.primary, producer, wake=emitted, schema="catalog"))
    service.task("outbox", observe_outbox(database.primary, "catalog"))

    look_after(
        service,
        topics=partial(needs.topics, producer, consumed=HANDLERS, produced=[VideoPublished, PublishCompleted]),
        bucket=partial(needs.bucket, objects, "videos/"),
        signing_keys=needs.signing_keys(settings.identity),
    )

    health = ConsumerHealth()
    service.check("consumer", health.check)
    applying = waking(begin, fanout_due)
    service.task(
        "consumer",
        consume(settings.kafka, name="catalog", handlers=HANDLERS, begin=applying, producer=producer, health=health),
    )
    claim = partial(claim_fanouts, begin, f"{socket.gethostname()}:{os.getpid()}")
    service.task("fan-out", work("fan-out", claim, partial(update_feeds, begin), wake=fanout_due))

    forecast = Forecast()
    service.task("signals", handle_signals(settings.kafka, handlers=signal_handlers(begin, forecast.note_pace)))
    service.task("forecast", forecast.keep_current(partial(status.read_outlook, database), settings.outlook_seconds))
    service.task("watchers", watchers.keep_informed(partial(status.read_statuses, database), settings.watch_seconds))

    key = settings.playback_key.get_secret_value().encode()
    sign = _url_signer(settings, objects)
    sign_asset = asset_urls(sign, public_base_url=str(settings.product.public_url), key=key, clock=utc_now)
    page_key = settings.page_token.key.get_secret_value().encode()
    rules = Rules(settings.product.categories, count_characters)
    statuses = status.Statuses(database)
    videos = Videos(database, statuses, begin, watchers, forecast, sign_asset, rules, utc_now, page_key)
    playback = Playback(database.primary, stored_playlists(objects), sign, key=key, clock=utc_now)
    servicers: list[Servicer] = [
        (add_VideoServiceServicer_to_server, videos),
        (add_IngestServiceServicer_to_server, Ingest(begin, UPLOAD_HANDLERS, utc_now)),
        (add_PublishingServiceServicer_to_server, Publishing(database.primary, begin, utc_now)),
        (add_FollowServiceServicer_to_server, Follows(database.primary, begin, page_key)),
        (add_FeedServiceServicer_to_server, Feeds(database, sign_asset, rules, page_key)),
        (add_PlaybackServiceServicer_to_server, playback),
    ]
    await service.enter(grpc_server(settings.grpc_bind, servicers, verifier, stopping=service.stopping))


def _url_signer(settings: Settings, objects: ObjectStore) -> SignUrl:
    cdn = settings.cdn
    if cdn.base_url and cdn.key_id and cdn.private_key:
        return cloudfront_urls(str(cdn.base_url), cdn.key_id, rsa_key(cdn.private_key), utc_now)
    return s3_urls(objects, utc_now)


async def unstick_videos(service: Service, settings: Settings) -> Mapping[str, int]:
    token = ServiceToken(settings.service_token.file)
    upload = await service.enter(channel(settings.upload.address, token=token))
    media = await service.enter(channel(settings.media.address, token=token))
    return await maintenance.unstick_videos(
        await _begin(service, settings),
        upload_over_grpc(upload),
        media_over_grpc(media),
        settings.uploading_quiet_seconds,
        settings.processing_quiet_seconds,
    )


async def archive_old_videos(service: Service, settings: Settings) -> Mapping[str, int]:
    return await maintenance.archive_old_videos(await _begin(service, settings), settings.archive_days)


async def clean_up(service: Service, settings: Settings) -> Mapping[str, int]:
    return await maintenance.clean_up((await _open_database(service, settings)).primary)


async def _begin(service: Service, settings: Settings) -> Begin:
    """Transactions of a job; what it emits is sent by the relay of `serve`."""
    database = await _open_database(service, settings)
    return transactions(database.primary, open_store, lambda: None)


async def _open_database(service: Service, settings: Settings) -> Database:
    replica = settings.postgres_replica_dsn
    return await service.enter(
        open_database(
            settings.postgres_dsn.get_secret_value(),
            replica.get_secret_value() if replica else None,
            application_name=service.name,
        )
    )


if __name__ == "__main__":
    sys.exit(
        main(
            "catalog",
            Settings,
            serve=serve,
            jobs={
                "unstick-videos": unstick_videos,
                "archive-old-videos": archive_old_videos,
                "clean-up": clean_up,
            },
            migrations="services.catalog.migrations",
            operate=desk_for("catalog", consumes=HANDLERS, groups=SHARED | GROUPS),
        )
    )
