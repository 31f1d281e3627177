"""The whole flow with NEXTPLAY_MEDIA_TRANSCODER=mediaconvert: the platform's worker is replaced by one that hands its
runs on to a stand-in of MediaConvert, whose events come through SQS.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest
from pydantic import HttpUrl, SecretStr

from chassis.object_store import open_object_store
from chassis.settings import ObjectStoreSettings
from deploy.local.stack import Stack
from tests.e2e.conftest import MakePerson
from tests.e2e.people import until
from tests.mediaconvert_stand_in import (
    CREDENTIALS,
    REGION,
    ROLE,
    EventQueue,
    MediaConvertStandIn,
    event_queue,
    mediaconvert,
    sqs_server,
)


class Aws:
    """The stand-in, which serves in a thread of its own."""

    def __init__(self, stand_in: MediaConvertStandIn, soon: Callable[[Callable[[], None]], object]) -> None:
        self.stand_in, self._soon = stand_in, soon

    def hold_jobs(self) -> None:
        self.stand_in.go_on.clear()

    def release_jobs(self) -> None:
        self._soon(self.stand_in.go_on.set)


@contextmanager
def aws_in_background(stack: Stack, queue: EventQueue) -> Iterator[Aws]:
    s3 = stack.s3
    settings = ObjectStoreSettings(
        bucket=s3["bucket"],
        region=s3["region"],
        endpoint=HttpUrl(s3["endpoint"]),
        access_key=s3["access_key"],
        secret_key=SecretStr(s3["secret_key"]),
    )
    begun: Future[tuple[Aws, Callable[[], None]]] = Future()

    async def serve() -> None:
        stopping, loop = asyncio.Event(), asyncio.get_running_loop()
        async with open_object_store(settings) as objects, mediaconvert(objects, queue) as stand_in:
            aws = Aws(stand_in, loop.call_soon_threadsafe)
            begun.set_result((aws, lambda: loop.call_soon_threadsafe(stopping.set)))
            await stopping.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    aws, stop = begun.result(timeout=20)
    try:
        yield aws
    finally:
        aws.release_jobs()
        stop()
        thread.join(timeout=20)


@pytest.fixture(scope="module")
def queue() -> Iterator[EventQueue]:
    with sqs_server() as url:
        yield event_queue(url)


@pytest.fixture
def aws(platform: Stack, queue: EventQueue) -> Iterator[Aws]:
    with aws_in_background(platform, queue) as aws:
        yield aws


StartWorker = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def start_worker(platform: Stack, aws: Aws, queue: EventQueue, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a worker in the place of the platform's own, which comes back afterwards."""
    environment = {
        **os.environ,
        **platform.environment("media"),
        **CREDENTIALS,
        "NEXTPLAY_MEDIA_TRANSCODER": "mediaconvert",
        "NEXTPLAY_MEDIA_MEDIACONVERT_ROLE": ROLE,
        "NEXTPLAY_MEDIA_MEDIACONVERT_REGION": REGION,
        "NEXTPLAY_MEDIA_MEDIACONVERT_ENDPOINT": aws.stand_in.url,
        "NEXTPLAY_MEDIA_MEDIACONVERT_EVENTS_QUEUE": queue.url,
        "NEXTPLAY_MEDIA_MEDIACONVERT_EVENTS_ENDPOINT": queue.endpoint,
        "NEXTPLAY_MEDIA_WORKER_METRICS_BIND": "127.0.0.1:0",
        "NEXTPLAY_MEDIA_WORKER_LEASE_SECONDS": "3",
        "NEXTPLAY_MEDIA_WORKER_DIRECTORY": str(tmp_path),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(log: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "services.media", "worker"]
        started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
        return started[-1]

    platform.hold("media-worker")
    try:
        with (tmp_path / "worker.log").open("wb") as log:
            yield lambda: start(log)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)
        platform.release("media-worker")


def test_a_clip_becomes_ready_by_way_of_mediaconvert_and_is_played(
    person: MakePerson, clip: Path, aws: Aws, start_worker: StartWorker
) -> None:
    start_worker()
    alice, bob = person("alice"), person("bob")
    uploaded = alice.upload(clip)
    ready = uploaded.becomes("READY")
    assert ready["progress"] == 100
    assert aws.stand_in.only_job.request["userMetadata"]["video_id"] == uploaded.video_id
    assert alice.post(f"/v1/videos/{uploaded.video_id}/publish").status_code == 200

    assets = {asset["kind"]: asset for asset in bob.get(f"/v1/videos/{uploaded.video_id}").json()["assets"]}
    assert set(assets) == {"MP4_720", "MP4_240", "HLS", "THUMB", "PREVIEW"}
    for kind, asset in assets.items():
        reply = httpx.get(asset["url"], timeout=20)
        assert reply.status_code == 200, (kind, reply.text)
        assert kind == "HLS" or len(reply.content) == asset["size_bytes"], kind


def test_a_killed_worker_costs_no_second_job(
    person: MakePerson, clip: Path, aws: Aws, start_worker: StartWorker
) -> None:
    aws.hold_jobs()
    worker = start_worker()
    uploaded = person("alice").upload(clip)
    until(lambda: aws.stand_in.reached_middle.is_set() or None, seconds=60, what="the job in its middle")
    worker.kill()
    worker.wait(timeout=20)
    start_worker()
    aws.release_jobs()
    uploaded.becomes("READY")
    assert aws.stand_in.only_job.status == "COMPLETE"


def test_deleting_a_video_cancels_its_job(person: MakePerson, clip: Path, aws: Aws, start_worker: StartWorker) -> None:
    aws.hold_jobs()
    start_worker()
    alice = person("alice")
    uploaded = alice.upload(clip)
    until(lambda: aws.stand_in.reached_middle.is_set() or None, seconds=60, what="the job in its middle")
    assert alice.delete(f"/v1/videos/{uploaded.video_id}").status_code == 204
    until(
        lambda: aws.stand_in.only_job.status == "CANCELED" or None, seconds=60, what="the job of the deleted video ends"
    )
