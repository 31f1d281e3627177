"""The RPCs of upload over a real socket: replies, refusals, identity and Idempotency-Keys."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from upload_world import FILE_BYTES, LIMITS, MIB, WEEK, MakeScratch, World, open_world

from chassis.auth import ServiceCaller, User, Verifier
from chassis.clock import new_id, utc_now
from chassis.errors import Failure, Kind
from chassis.grpc_client import failure_from
from chassis.grpc_server import grpc_server
from nextplay.catalog.v1.video_pb2 import Video
from nextplay.upload.v1 import upload_service_pb2 as pb
from nextplay.upload.v1.upload_events_pb2 import UploadCompleted, UploadStarted
from nextplay.upload.v1.upload_service_pb2_grpc import UploadServiceStub, add_UploadServiceServicer_to_server
from services.upload.characters import count_characters
from services.upload.domain.announcement import Rules
from services.upload.servicer import Uploads

ALICE, BOB = new_id(), new_id()


class TrustsNames(Verifier):
    """Takes a user's id, or a service's name, for a token."""

    def __init__(self) -> None:
        pass

    async def user(self, token: str) -> User:
        return User(UUID(token), "verified")

    async def service(self, token: str) -> ServiceCaller:
        return ServiceCaller(token)


@dataclass(frozen=True)
class Client:
    """Calls as a user or a service; a failure comes back as the failure it was."""

    stub: UploadServiceStub

    async def call(self, method: str, request: Message, *, who: object = ALICE, key: str | None = None) -> Any:
        metadata = [("authorization", f"Bearer {who}")]
        if key is not None:
            metadata.append(("idempotency-key", key))
        try:
            return await getattr(self.stub, method)(request, metadata=metadata, timeout=20)
        except grpc.aio.AioRpcError as error:
            raise failure_from(error) from error

    async def refused(self, method: str, request: Message, **how: Any) -> Failure:
        with pytest.raises(Failure) as raised:
            await self.call(method, request, **how)
        return raised.value


@pytest.fixture
async def world(scratch_schema: MakeScratch) -> AsyncIterator[World]:
    async with open_world(scratch_schema) as opened:
        yield opened


@pytest.fixture
async def client(world: World) -> AsyncIterator[Client]:
    uploads = Uploads(
        pool=world.pool,
        begin=world.begin,
        objects=world.objects,
        catalog=world.catalog,
        rules=Rules(("sports",), count_characters),
        limits=LIMITS,
        keep_original=WEEK,
        page_key=b"key",
        clock=utc_now,
        new_id=new_id,
    )
    servicers = [(add_UploadServiceServicer_to_server, uploads)]
    async with (
        grpc_server("127.0.0.1:0", servicers, TrustsNames(), stopping=asyncio.Event()) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield Client(UploadServiceStub(channel))


def announcement(**changes: Any) -> pb.InitiateUploadRequest:
    told = {
        "title": "Goal",
        "category": "sports",
        "filename": "goal.mp4",
        "content_type": "video/mp4",
        "file_size_bytes": FILE_BYTES,
    }
    return pb.InitiateUploadRequest(**{**told, **changes})


async def initiated(client: Client, **changes: Any) -> pb.InitiateUploadResponse:
    reply: pb.InitiateUploadResponse = await client.call("InitiateUpload", announcement(**changes))
    return reply


async def arrive(client: Client, world: World, upload: pb.InitiateUploadResponse) -> None:
    """Sign all parts as suggested and let them arrive."""
    lengths = {1: 10 * MIB, 2: 10 * MIB, 3: 5 * MIB}
    parts = [pb.PartToSign(part_number=number, content_length=length) for number, length in lengths.items()]
    await client.call("PresignParts", pb.PresignPartsRequest(upload_id=upload.upload_id, parts=parts))
    for number, length in lengths.items():
        world.memory.hold(upload.s3_upload_id, number, length)


async def test_an_upload_goes_the_whole_way(client: Client, world: World) -> None:
    upload = await initiated(client, fingerprint="f")
    assert (upload.part_size_bytes, upload.part_count) == (10 * MIB, 3)
    lives = upload.expires_at.ToDatetime(UTC) - upload.server_time.ToDatetime(UTC)
    assert timedelta(minutes=59) < lives <= timedelta(hours=1)

    part = pb.PresignPartRequest(upload_id=upload.upload_id, part_number=1, content_length=10 * MIB)
    signed = await client.call("PresignPart", part)
    assert {header.name: header.value for header in signed.headers} == {
        "Content-Length": str(10 * MIB),
        "Content-Type": "video/mp4",
    }
    lives = signed.expires_at.ToDatetime(UTC) - datetime.now(UTC)
    assert timedelta(minutes=9) < lives <= timedelta(minutes=10)

    await arrive(client, world, upload)
    seen = await client.call("GetUpload", pb.GetUploadRequest(upload_id=upload.upload_id))
    assert (seen.status, seen.fingerprint, len(seen.parts_received)) == (pb.Upload.IN_PROGRESS, "f", 3)
    assert (list(seen.parts_missing), seen.HasField("completed_at")) == ([], False)
    assert seen.parts_received[2].etag == f'"etag-3-{5 * MIB}"'

    listed = await client.call("ListUploads", pb.ListUploadsRequest(fingerprint="f"))
    assert [summary.upload_id for summary in listed.uploads] == [upload.upload_id]

    done = await client.call("CompleteUpload", pb.CompleteUploadRequest(upload_id=upload.upload_id))
    assert (done.video_id, done.status, done.sequence) == (upload.video_id, Video.UPLOADED, 3)
    seen = await client.call("GetUpload", pb.GetUploadRequest(upload_id=upload.upload_id))
    assert (seen.status, seen.HasField("completed_at")) == (pb.Upload.COMPLETED, True)
    assert (await client.call("ListUploads", pb.ListUploadsRequest())).uploads == []


async def test_an_upload_tells_whether_its_parts_have_checksums(client: Client, world: World) -> None:
    upload = await initiated(client, part_checksums=True)
    assert (await client.call("GetUpload", pb.GetUploadRequest(upload_id=upload.upload_id))).part_checksums
    part = pb.PresignPartRequest(upload_id=upload.upload_id, part_number=1, content_length=10 * MIB)
    refused = await client.refused("PresignPart", part)
    assert (refused.kind, [one.field for one in refused.fields]) == (Kind.INVALID_ARGUMENT, ["checksum_sha256"])
    without = await initiated(client)
    assert not (await client.call("GetUpload", pb.GetUploadRequest(upload_id=without.upload_id))).part_checksums


async def test_the_tier_of_the_token_travels_to_the_transcode(client: Client, world: World) -> None:
    upload = await initiated(client)
    await arrive(client, world, upload)
    await client.call("CompleteUpload", pb.CompleteUploadRequest(upload_id=upload.upload_id))
    state = await client.call(
        "GetUploadState", pb.GetUploadStateRequest(video_id=upload.video_id, generation=1), who="catalog"
    )
    completed = UploadCompleted()
    assert state.fact.Unpack(completed)
    assert completed.tier == "verified"


async def test_a_repeated_key_gives_the_stored_reply(client: Client, world: World) -> None:
    first = await client.call("InitiateUpload", announcement(), key="k")
    again = await client.call("InitiateUpload", announcement(), key="k")
    assert again == first
    assert len(world.memory.multiparts) == 1
    other = await client.refused("InitiateUpload", announcement(title="Other"), key="k")
    assert (other.kind, other.code) == (Kind.UNPROCESSABLE, "IDEMPOTENCY_MISMATCH")
    assert (await client.call("InitiateUpload", announcement(), key="k", who=BOB)).upload_id != first.upload_id
    assert (await client.call("InitiateUpload", announcement(), key="l")).upload_id != first.upload_id


async def test_one_key_many_times_at_once_makes_one_upload(client: Client, world: World) -> None:
    calls = (client.call("InitiateUpload", announcement(), key="k") for _ in range(8))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    replies = {outcome.upload_id for outcome in outcomes if not isinstance(outcome, BaseException)}
    assert len(replies) == 1
    for outcome in outcomes:
        assert not isinstance(outcome, BaseException) or outcome.code == "REQUEST_IN_FLIGHT"  # type: ignore[attr-defined]
    assert await world.pool.fetchval("SELECT count(*) FROM uploads") == 1
    assert len(world.memory.multiparts) == 1


async def test_a_refused_request_does_not_use_its_key_up(client: Client) -> None:
    request = announcement(video_id=str(new_id()))
    for _ in range(2):
        assert (await client.refused("InitiateUpload", request, key="k")).code == "VIDEO_NOT_FOUND"


async def test_a_repeated_complete_with_a_key_gives_the_stored_reply(client: Client, world: World) -> None:
    upload = await initiated(client)
    request = pb.CompleteUploadRequest(upload_id=upload.upload_id)
    assert (await client.refused("CompleteUpload", request, key="k")).code == "PARTS_MISSING"
    await arrive(client, world, upload)
    first = await client.call("CompleteUpload", request, key="k")
    assert await client.call("CompleteUpload", request, key="k") == first
    wrong = pb.CompletedPart(part_number=1, etag="x")
    other = pb.CompleteUploadRequest(upload_id=upload.upload_id, parts=[wrong])
    assert (await client.refused("CompleteUpload", other, key="k")).code == "IDEMPOTENCY_MISMATCH"


async def test_the_eleventh_upload_of_an_hour_waits(client: Client) -> None:
    for _ in range(10):
        await initiated(client)
    failure = await client.refused("InitiateUpload", announcement())
    assert (failure.kind, failure.code) == (Kind.RATE_LIMITED, "RATE_LIMITED")
    assert failure.retry_after is not None
    assert 3500 < failure.retry_after <= 3600
    await client.call("InitiateUpload", announcement(), who=BOB)


@pytest.mark.parametrize(
    ("changes", "kind", "code", "field"),
    [
        ({"title": ""}, Kind.INVALID_ARGUMENT, "INVALID_ARGUMENT", "title"),
        ({"file_size_bytes": 0}, Kind.INVALID_ARGUMENT, "INVALID_ARGUMENT", "file_size_bytes"),
        ({"file_size_bytes": 157_286_401}, Kind.TOO_LARGE, "FILE_TOO_LARGE", "file_size_bytes"),
        ({"content_type": "image/png"}, Kind.UNSUPPORTED_TYPE, "UNSUPPORTED_CONTENT_TYPE", "content_type"),
        ({"video_id": "x"}, Kind.INVALID_ARGUMENT, "INVALID_ARGUMENT", "video_id"),
    ],
)
async def test_a_wrong_announcement_changes_nothing(
    client: Client, world: World, changes: dict[str, Any], kind: Kind, code: str, field: str
) -> None:
    failure = await client.refused("InitiateUpload", announcement(**changes))
    assert (failure.kind, failure.code, [wrong.field for wrong in failure.fields]) == (kind, code, [field])
    assert world.memory.multiparts == {}
    assert world.told.videos == {}


OWN = [
    ("PresignPart", pb.PresignPartRequest(part_number=1, content_length=1)),
    ("PresignParts", pb.PresignPartsRequest(parts=[pb.PartToSign(part_number=1, content_length=1)])),
    ("GetUpload", pb.GetUploadRequest()),
    ("CompleteUpload", pb.CompleteUploadRequest()),
    ("AbortUpload", pb.AbortUploadRequest()),
]


@pytest.mark.parametrize(("method", "request_"), OWN, ids=[method for method, _ in OWN])
async def test_ids_that_are_wrong_unknown_or_somebody_elses_are_refused(
    client: Client, world: World, method: str, request_: Any
) -> None:
    upload = await initiated(client)
    request_.upload_id = "not-a-uuid"
    failure = await client.refused(method, request_)
    assert (failure.kind, [wrong.field for wrong in failure.fields]) == (Kind.INVALID_ARGUMENT, ["upload_id"])
    for upload_id, who in ((str(new_id()), ALICE), (upload.upload_id, BOB)):
        request_.upload_id = upload_id
        failure = await client.refused(method, request_, who=who)
        assert (failure.kind, failure.code) == (Kind.NOT_FOUND, "UPLOAD_NOT_FOUND")
    assert await world.pool.fetchval("SELECT status FROM uploads") == "INITIATED"


async def test_an_expired_upload_says_when_it_expired(client: Client, world: World) -> None:
    upload = await initiated(client)
    await world.pool.execute("UPDATE uploads SET expires_at = '2026-01-02 12:00Z', created_at = '2026-01-02 11:00Z'")
    part = pb.PresignPartRequest(upload_id=upload.upload_id, part_number=1, content_length=1)
    failure = await client.refused("PresignPart", part)
    assert (failure.kind, failure.code) == (Kind.GONE, "UPLOAD_EXPIRED")
    assert str(failure) == "The upload expired at 2026-01-02T12:00:00Z; an upload lives 60 minutes."


async def test_an_aborted_upload_is_over_and_aborting_again_is_fine(client: Client) -> None:
    upload = await initiated(client)
    for _ in range(2):
        await client.call("AbortUpload", pb.AbortUploadRequest(upload_id=upload.upload_id))
    seen = await client.call("GetUpload", pb.GetUploadRequest(upload_id=upload.upload_id))
    assert seen.status == pb.Upload.ABORTED
    failure = await client.refused("CompleteUpload", pb.CompleteUploadRequest(upload_id=upload.upload_id))
    assert (failure.kind, failure.code) == (Kind.CONFLICT, "UPLOAD_NOT_ACTIVE")


async def test_pages_of_uploads_go_on_by_their_token(client: Client) -> None:
    uploads = [(await initiated(client)).upload_id for _ in range(5)]
    seen: list[str] = []
    token = ""
    while True:
        page = await client.call("ListUploads", pb.ListUploadsRequest(page_size=2, page_token=token))
        seen.extend(summary.upload_id for summary in page.uploads)
        token = page.next_page_token
        if not token:
            break
        stolen = pb.ListUploadsRequest(page_size=2, page_token=token)
        assert [wrong.field for wrong in (await client.refused("ListUploads", stolen, who=BOB)).fields] == [
            "page_token"
        ]
    assert seen == uploads[::-1]


async def test_the_catalog_learns_the_latest_fact(client: Client, world: World) -> None:
    upload = await initiated(client)
    asked = pb.GetUploadStateRequest(video_id=upload.video_id, generation=1)
    state = await client.call("GetUploadState", asked, who="catalog")
    started = UploadStarted()
    assert state.fact.Unpack(started)
    assert started.upload_id == upload.upload_id
    unknown = pb.GetUploadStateRequest(video_id=upload.video_id, generation=2)
    assert not (await client.call("GetUploadState", unknown, who="catalog")).HasField("fact")
    assert (await client.refused("GetUploadState", asked, who="media")).kind is Kind.PERMISSION_DENIED


@pytest.mark.parametrize("method", ["PresignPart", "PresignParts"])
async def test_a_key_signs_anew_for_the_same_parts_and_is_refused_for_others(
    client: Client, world: World, method: str
) -> None:
    upload = await initiated(client)

    def asking(length: int) -> Message:
        part = {"part_number": 1, "content_length": length}
        if method == "PresignPart":
            return pb.PresignPartRequest(upload_id=upload.upload_id, **part)
        return pb.PresignPartsRequest(upload_id=upload.upload_id, parts=[pb.PartToSign(**part)])

    first = await client.call(method, asking(10 * MIB), key="k")
    again = await client.call(method, asking(10 * MIB), key="k")
    signed = [reply if method == "PresignPart" else reply.parts[0] for reply in (first, again)]
    assert all(part.presigned_url for part in signed)
    other = await client.refused(method, asking(5 * MIB), key="k")
    assert (other.kind, other.code) == (Kind.UNPROCESSABLE, "IDEMPOTENCY_MISMATCH")
    kept = await world.pool.fetchval("SELECT reply FROM idempotency_keys WHERE method = $1", method)
    assert kept == b"", "a URL was stored"
