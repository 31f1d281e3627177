"""Media's processes: `python -m services.media serve|worker|migrate|job NAME`, and what operators do."""

import asyncio
import os
import socket
import sys
from collections.abc import Collection
from functools import partial
from pathlib import Path

import imageio_ffmpeg

from chassis.auth import open_verifier
from chassis.clock import new_id
from chassis.command import main
from chassis.consumer import ConsumerHealth, consume
from chassis.grpc_server import grpc_server
from chassis.kafka import open_producer, send_signal
from chassis.object_store import ObjectStore, open_object_store
from chassis.outbox import relay
from chassis.postgres import Pool, open_pool
from chassis.run import Service
from chassis.settings import Dsn
from chassis.telemetry import logger
from chassis.transaction import transactions
from chassis.work import waking, work
from nextplay.media.v1.media_events_pb2 import TranscodeCompleted
from nextplay.media.v1.media_service_pb2_grpc import add_MediaServiceServicer_to_server
from nextplay.media.v1.media_signals_pb2 import QueueObserved
from operating import needs
from operating.desk import desk_for
from operating.needs import look_after, wait_for
from operating.observe import observe_outbox
from operating.shared import SHARED
from services.media import maintenance, reads
from services.media.commands import GROUPS
from services.media.consumers import HANDLERS
from services.media.observe import observe_queue
from services.media.ports import Begin
from services.media.probe import SandboxedProber
from services.media.repository import JOBS, Repository
from services.media.sandbox import Layer, offer
from services.media.servicer import Media
from services.media.settings import Settings, WorkerSettings
from services.media.transcoders.ffmpeg import FfmpegTranscoder
from services.media.transcoders.mediaconvert import MediaConvertTranscoder
from services.media.transcoders.mediaconvert.events import open_events
from services.media.transcoders.mediaconvert.service import open_mediaconvert
from services.media.transcoders.mediaconvert.template import Account
from services.media.usecases import outputs, remote
from services.media.usecases.lanes import Lanes
from services.media.usecases.runs import claim_run, leave_run
from services.media.usecases.transcode import Tools, tidy_up, transcode
from services.media.worker import carry_out, claim_whole, side_by_side
from services.media.workspace import open_workspace

MIB = 1024 * 1024

log = logger(__name__)


async def serve(service: Service, settings: Settings) -> None:
    pool = await _open_pool(service, settings.postgres_dsn)
    await wait_for(service, schema=partial(needs.schema, pool, "media"))
    objects = await service.enter(open_object_store(settings.objects))
    producer = await service.enter(open_producer(settings.kafka))
    verifier = await service.enter(open_verifier(settings.identity))

    wake_purge = asyncio.Event()
    begin = transactions(pool, Repository, lambda: None)
    claim_purges = partial(outputs.claim_purges, begin, _instance())
    purge = partial(outputs.purge, begin, objects)
    service.task("purge", work("purge", claim_purges, purge, wake=wake_purge))
    service.task("queue", observe_queue(pool, partial(send_signal, producer), _instance()))

    health = ConsumerHealth()
    service.check("consumer", health.check)
    applying = waking(begin, wake_purge)
    service.task(
        "consumer",
        consume(settings.kafka, name="media", handlers=HANDLERS, begin=applying, producer=producer, health=health),
    )
    look_after(
        service,
        topics=partial(needs.topics, producer, consumed=HANDLERS, produced=[QueueObserved]),
        bucket=partial(needs.bucket, objects, "videos/"),
        signing_keys=needs.signing_keys(settings.identity),
    )
    servicers = [(add_MediaServiceServicer_to_server, Media(pool))]
    await service.enter(grpc_server(settings.grpc_bind, servicers, verifier, stopping=service.stopping))


async def worker(service: Service, settings: WorkerSettings) -> None:
    _tell_layers(service, settings.required_layers)
    pool = await _open_pool(service, settings.database.postgres_dsn)
    await wait_for(service, schema=partial(needs.schema, pool, "media"))
    objects = await service.enter(open_object_store(settings.objects))
    producer = await service.enter(open_producer(settings.kafka))
    workspace = await service.enter(open_workspace(settings.directory))

    # Only runs emit events, so the relay is here: woken by the commit, while every video waits for its READY.
    wake_relay, lanes = asyncio.Event(), Lanes(settings.slots)
    begin = transactions(pool, Repository, wake_relay.set)
    service.task("relay", relay(pool, producer, wake=wake_relay, schema="media"))
    service.task("outbox", observe_outbox(pool, "media"))
    look_after(
        service,
        topics=partial(needs.topics, producer, produced=[TranscodeCompleted, QueueObserved]),
        bucket=partial(needs.bucket, objects, "uploads/", "videos/"),
    )
    by_mediaconvert = settings.transcoding.transcoder == "mediaconvert"
    prober = SandboxedProber(objects, workspace)
    service.task("prober", prober.keep_ready())
    tools = Tools(
        begin=begin,
        prober=prober,
        transcoder=await _mediaconvert(service, settings, begin, objects, workspace)
        if by_mediaconvert
        else FfmpegTranscoder(
            ffmpeg=Path(imageio_ffmpeg.get_ffmpeg_exe()),
            objects=objects,
            workspace=workspace,
            threads=settings.threads,
            memory_bytes=settings.memory_mb * MIB,
            stall_seconds=settings.stall_seconds,
        ),
        objects=objects,
        send_signal=partial(send_signal, producer),
        lanes=lanes,
        bucket=settings.objects.bucket,
    )
    claim_one = partial(claim_run, begin, _instance(), settings.lease_seconds, new_id, take_up=by_mediaconvert)
    claim = partial(
        lanes.claim,
        partial(reads.is_job_due, pool),
        partial(claim_whole, claim_one, partial(leave_run, begin)),
        settings.poll_seconds,
    )
    do = partial(carry_out, pool, JOBS, settings.lease_seconds, partial(transcode, tools), partial(tidy_up, tools))
    # One run in each encoder, one that is made ready for it, and one that stores what it has encoded.
    loops = (work("transcode", claim, do, wake=asyncio.Event()) for _ in range(settings.slots + 2))
    service.task("runs", side_by_side(*loops))


async def sweep_outputs(service: Service, settings: Settings) -> dict[str, int]:
    begin = transactions(await _open_pool(service, settings.postgres_dsn), Repository, lambda: None)
    objects = await service.enter(open_object_store(settings.objects))
    return await maintenance.sweep_outputs(begin, objects, settings.sweep_after_seconds)


async def retry_failed_jobs(service: Service, settings: Settings) -> dict[str, int]:
    begin = transactions(await _open_pool(service, settings.postgres_dsn), Repository, lambda: None)
    return await maintenance.retry_failed_jobs(begin)


async def clean_up(service: Service, settings: Settings) -> dict[str, int]:
    return await maintenance.clean_up(await _open_pool(service, settings.postgres_dsn))


async def _mediaconvert(
    service: Service, settings: WorkerSettings, begin: Begin, objects: ObjectStore, workspace: Path
) -> MediaConvertTranscoder:
    """Hears MediaConvert's events and cancels what nobody wants any more, beside the runs that are handed on."""
    chosen = settings.transcoding.mediaconvert
    region = chosen.region or settings.objects.region
    mediaconvert = await service.enter(open_mediaconvert(region, chosen.endpoint))
    events = await service.enter(open_events(chosen.events_queue, region, chosen.events_endpoint))
    service.task("mediaconvert-events", events.listen(partial(remote.hear, begin)))
    claim_unwanted, cancel = partial(remote.claim_unwanted, begin), partial(remote.cancel, begin, mediaconvert)
    service.task("mediaconvert-cancel", work("cancel", claim_unwanted, cancel, wake=asyncio.Event()))
    return MediaConvertTranscoder(
        service=mediaconvert,
        account=Account(settings.objects.bucket, chosen.role, chosen.queue, chosen.acceleration),
        begin=begin,
        objects=objects,
        ffmpeg=Path(imageio_ffmpeg.get_ffmpeg_exe()),
        workspace=workspace,
        memory_bytes=settings.memory_mb * MIB,
        patience_seconds=chosen.patience_seconds,
        silence_seconds=chosen.silence_seconds,
    )


async def _open_pool(service: Service, dsn: Dsn) -> Pool:
    pool = await service.enter(open_pool(dsn.get_secret_value(), application_name=service.name))
    service.check("postgres", lambda: pool.fetchval("SELECT 1"))
    return pool


def _tell_layers(service: Service, required: Collection[Layer]) -> None:
    """Say what confines FFmpeg here; a required layer that is missing ends the start."""
    layers = offer()
    service.facts["sandbox"] = {"in_force": sorted(layers.in_force), "missing": dict(layers.missing)}
    log.info("sandbox_surveyed", **service.facts)
    layers.require(required)


def _instance() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


if __name__ == "__main__":
    sys.exit(
        main(
            "media",
            Settings,
            serve=serve,
            worker=worker,
            worker_settings=WorkerSettings,
            jobs={"sweep-outputs": sweep_outputs, "retry-failed-jobs": retry_failed_jobs, "clean-up": clean_up},
            migrations="services.media.migrations",
            operate=desk_for("media", consumes=HANDLERS, groups=SHARED | GROUPS),
        )
    )
