"""A small MediaConvert: speaks its REST protocol, encodes with our own ladder, names files as AWS does, and sends the
events that EventBridge would put into the queue.

It reads from a request what it can get wrong: input, destinations, name modifiers, sizes, sound, frame capture.
"""

import asyncio
import json
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import imageio_ffmpeg
from aiohttp import web
from moto.server import ThreadedMotoServer

from chassis.object_store import ObjectNotFound, ObjectStore
from services.media.fakes import MemoryObjects
from services.media.ports import Task
from services.media.probe import SandboxedProber
from services.media.transcoders.ffmpeg import FfmpegTranscoder

FFMPEG = Path(imageio_ffmpeg.get_ffmpeg_exe())
REGION = "us-east-1"
ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/nextplay-mediaconvert"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "stand-in", "AWS_SECRET_ACCESS_KEY": "stand-in"}
ENDS = ("COMPLETE", "ERROR", "CANCELED")


@contextmanager
def sqs_server() -> Iterator[str]:
    """The URL of an SQS server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@dataclass(frozen=True)
class EventQueue:
    """An SQS queue with a dead-letter queue behind it."""

    endpoint: str
    url: str
    dead_letters_url: str
    client: Any

    def send(self, body: str) -> None:
        self.client.send_message(QueueUrl=self.url, MessageBody=body)

    def dead_letters(self) -> list[str]:
        reply = self.client.receive_message(QueueUrl=self.dead_letters_url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [message["Body"] for message in reply.get("Messages", [])]


def event_queue(endpoint: str, *, visibility_seconds: int = 60, receives: int = 5) -> EventQueue:
    """A new queue, as deploy/aws/mediaconvert.yaml declares it."""
    client = boto3.client(
        "sqs",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
    name = f"events-{uuid.uuid4().hex}"
    dead = client.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": receives})
    attributes = {"VisibilityTimeout": str(visibility_seconds), "RedrivePolicy": redrive}
    return EventQueue(endpoint, client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], dead, client)


def job_event(job: "Job", status: str, **detail: Any) -> dict[str, Any]:
    """An event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "MediaConvert Job State Change",
        "source": "aws.mediaconvert",
        "account": ACCOUNT,
        "time": "2026-01-02T03:04:05Z",
        "region": REGION,
        "resources": [f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:jobs/{job.id}"],
        "detail": {
            "timestamp": 1_767_323_045_000,
            "accountId": ACCOUNT,
            "queue": f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:queues/Default",
            "jobId": job.id,
            "status": status,
            "userMetadata": job.request.get("userMetadata", {}),
            **detail,
        },
    }


@dataclass
class Job:
    """A job that was created, with the body of its request."""

    id: str
    request: Mapping[str, Any]
    status: str = "SUBMITTED"
    percent: int = 0
    error: tuple[int, str] | None = None

    def described(self) -> dict[str, Any]:
        """As CreateJob and GetJob answer."""
        error = {"errorCode": self.error[0], "errorMessage": self.error[1]} if self.error else {}
        return {
            "job": {
                "id": self.id,
                "arn": f"arn:aws:mediaconvert:{REGION}:{ACCOUNT}:jobs/{self.id}",
                "status": self.status,
                "jobPercentComplete": self.percent,
                "role": self.request["role"],
                "settings": self.request["settings"],
                "userMetadata": self.request.get("userMetadata", {}),
                **error,
            }
        }


@dataclass
class MediaConvertStandIn:
    """`refuses`: no request is good enough; `silent`: no event is sent; `error`: jobs end in it; `go_on`: while it is
    clear, jobs wait in the middle.
    """

    objects: ObjectStore
    queue: EventQueue
    url: str = ""
    refuses: bool = False
    silent: bool = False
    error: tuple[int, str] | None = None
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    reached_middle: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: dict[str, Job] = field(default_factory=dict)
    _by_token: dict[str, Job] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.go_on.set()

    @property
    def only_job(self) -> Job:
        (job,) = self.jobs.values()
        return job

    async def create(self, request: web.Request) -> web.Response:
        if self.refuses:
            return _refusal(400, "BadRequestException")
        asked = await request.json()
        job = self._by_token.get(asked["clientRequestToken"])
        if job is None:
            job = Job(f"{len(self.jobs) + 1}-{uuid.uuid4().hex[:6]}", asked)
            self.jobs[job.id] = self._by_token[asked["clientRequestToken"]] = job
            task = asyncio.create_task(self._run(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return web.json_response(job.described(), status=201)

    async def get(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        return web.json_response(job.described()) if job else _refusal(404, "NotFoundException")

    async def cancel(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return _refusal(404, "NotFoundException")
        if job.status in ENDS:
            return _refusal(409, "ConflictException")
        job.status = "CANCELED"
        await self._tell(job, "CANCELED")
        return web.json_response({}, status=202)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: Job) -> None:
        job.status = "PROGRESSING"
        await self._tell(job, "PROGRESSING")
        job.percent = 50
        progress = {"jobPercentComplete": 50, "currentPhase": "TRANSCODING", "retryCount": 0, "phaseProgress": {}}
        await self._tell(job, "STATUS_UPDATE", jobProgress=progress)
        self.reached_middle.set()
        await self.go_on.wait()
        if job.status in ENDS:
            return
        job.error = self.error
        try:
            groups = None if job.error else await self._encode(job.request["settings"])
        except ObjectNotFound as missing:
            job.error, groups = (1404, str(missing)), None
        except AssertionError as wrong:
            job.error, groups = (1040, str(wrong)), None
        if groups is None:
            code, message = job.error or (1999, "Unknown")
            job.status = "ERROR"
            await self._tell(job, "ERROR", errorCode=code, errorMessage=message)
        else:
            job.status, job.percent = "COMPLETE", 100
            # Amazon delivers at least once and in no certain order.
            await self._tell(job, "COMPLETE", outputGroupDetails=groups, paddingInserted=0)
            await self._tell(job, "COMPLETE", outputGroupDetails=groups, paddingInserted=0)
            await self._tell(job, "STATUS_UPDATE", jobProgress=progress)

    async def _tell(self, job: Job, status: str, **detail: Any) -> None:
        if not self.silent:
            await asyncio.to_thread(self.queue.send, json.dumps(job_event(job, status, **detail)))

    async def _encode(self, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Make the outputs and store them; what the COMPLETE event tells of their groups."""
        (asked,) = settings["inputs"]
        with tempfile.TemporaryDirectory() as directory:
            original = Path(directory) / "original"
            await self.objects.download(self._key(asked["fileInput"]), original)
            memory = MemoryObjects({"original": original.read_bytes()})
            source = await SandboxedProber(memory, Path(directory)).probe("original", original.stat().st_size)
            ladder = FfmpegTranscoder(FFMPEG, memory, Path(directory), threads=1, memory_bytes=2 * 1024**3)
            made = await ladder.transcode(Task(uuid.uuid4(), "original", "", source), lambda stage, fraction: None)
        names = {asset.size: asset.s3_key.split("/")[1] for asset in made.assets if asset.kind.startswith("MP4")}
        heard = {output_with_sound(output) for group in settings["outputGroups"] for output in group["outputs"]}
        assert heard - {None} == {source.audio is not None}, "every output with video has sound, if there is any"
        return [await self._store_group(group, memory.stored, names) for group in settings["outputGroups"]]

    async def _store_group(
        self, group: Mapping[str, Any], made: Mapping[str, bytes], names: Mapping[tuple[int, int], str]
    ) -> dict[str, Any]:
        settings = group["outputGroupSettings"]
        if settings["type"] == "HLS_GROUP_SETTINGS":
            base = self._key(settings["hlsGroupSettings"]["destination"])
            files = {f"{base}.m3u8": b"#EXTM3U\n"}
            for output in group["outputs"]:
                files |= hls_variant(made, names[_size(output)], base + output["nameModifier"])
            kind = "HLS_GROUP"
        else:
            (output,) = group["outputs"]
            base = self._key(settings["fileGroupSettings"]["destination"]) + output.get("nameModifier", "")
            if "frameCaptureSettings" in output["videoDescription"]["codecSettings"]:
                most = output["videoDescription"]["codecSettings"]["frameCaptureSettings"]["maxCaptures"]
                files = {f"{base}.{number:07d}.jpg": made["thumbnail.jpg"] for number in range(most)}
            else:
                files = {f"{base}.{output['extension']}": made[f"renditions/{names[_size(output)]}/video.mp4"]}
            kind = "FILE_GROUP"
        for key, data in files.items():
            await self.objects.put(key, data, content_type="binary/octet-stream")
        paths = [f"s3://{self.objects.bucket}/{key}" for key in files]
        return {"type": kind, "outputDetails": [{"outputFilePaths": paths, "durationInMs": 1000}]}

    def _key(self, url: str) -> str:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        assert bucket == self.objects.bucket
        assert not key.endswith("/"), "the input's name would become part of the output's"
        return key


def output_with_sound(output: Mapping[str, Any]) -> bool | None:
    """Whether an output has sound; None for pictures, which can't."""
    if output["containerSettings"]["container"] == "RAW":
        return None
    return bool(output.get("audioDescriptions"))


def hls_variant(made: Mapping[str, bytes], name: str, base: str) -> dict[str, bytes]:
    """A media playlist of the ladder with its segments, named and numbered (from 1) as MediaConvert does."""
    lines = made[f"renditions/hls/master_{name}.m3u8"].decode().splitlines()
    segments = [number for number, line in enumerate(lines) if line.endswith(".ts")]
    files = {}
    for number, line in enumerate(segments, 1):
        key = f"{base}_{number:05d}.ts"
        files[key] = made[f"renditions/hls/{lines[line]}"]
        lines[line] = key.rpartition("/")[2]
    return files | {f"{base}.m3u8": "\n".join([*lines, ""]).encode()}


def _size(output: Mapping[str, Any]) -> tuple[int, int]:
    return output["videoDescription"]["width"], output["videoDescription"]["height"]


def _refusal(status: int, code: str) -> web.Response:
    return web.json_response({"message": code}, status=status, headers={"x-amzn-ErrorType": code})


@asynccontextmanager
async def mediaconvert(objects: ObjectStore, queue: EventQueue) -> AsyncIterator[MediaConvertStandIn]:
    """The stand-in, serving at its `url`."""
    stand_in = MediaConvertStandIn(objects, queue)
    app = web.Application(client_max_size=10_000_000)
    app.add_routes(
        [
            web.post("/2017-08-29/jobs", stand_in.create),
            web.get("/2017-08-29/jobs/{id}", stand_in.get),
            web.delete("/2017-08-29/jobs/{id}", stand_in.cancel),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        stand_in.url = f"http://{host}:{port}"
        yield stand_in
    finally:
        with suppress(asyncio.CancelledError):
            await stand_in.close()
        await runner.cleanup()
