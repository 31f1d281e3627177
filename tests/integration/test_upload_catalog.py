"""What upload relies on in the catalog: the same from the real one, over gRPC, as from the one in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from upload_world import MakeScratch

from chassis.auth import ServiceCaller, ServiceToken, User, Verifier
from chassis.clock import new_id, utc_now
from chassis.errors import DeadlineExceeded, Failure, Kind, Unauthenticated, Unavailable
from chassis.events import describe
from chassis.grpc_client import channel
from chassis.grpc_server import grpc_server
from chassis.postgres import open_pool
from chassis.transaction import transactions
from nextplay.catalog.v1.ingest_service_pb2_grpc import IngestServiceServicer, add_IngestServiceServicer_to_server
from nextplay.upload.v1.upload_events_pb2 import UploadAborted, UploadCompleted, UploadFailed, UploadStarted
from services.catalog.consumers.facts import upload_handlers
from services.catalog.repository import open_store
from services.catalog.servicer.ingest import Ingest
from services.upload import catalog as adapter
from services.upload.catalog import CatalogOverGrpc
from services.upload.fakes import MemoryCatalog
from services.upload.ports import Catalog, Claim, Delivered


class TrustsNames(Verifier):
    """Takes a service's name for its token."""

    def __init__(self) -> None:
        pass

    async def user(self, token: str) -> User:
        raise Unauthenticated

    async def service(self, token: str) -> ServiceCaller:
        return ServiceCaller(token)


@dataclass(frozen=True)
class Clip:
    """A new video of a test, and the events about its upload."""

    claim: Claim

    def event(self, kind: type[Message], generation: int = 1) -> Message:
        fields: dict[str, Any] = {
            "video_id": str(self.claim.video_id),
            "upload_id": str(self.claim.upload_id),
            "user_id": str(self.claim.user_id),
            "generation": generation,
        }
        if kind is UploadCompleted:
            expires_at = Timestamp()
            expires_at.FromDatetime(datetime.now(UTC) + timedelta(days=7))
            fields |= {"input_s3_key": "uploads/x", "size_bytes": 1, "tier": "free", "original_expires_at": expires_at}
        return kind(**fields)


def a_clip() -> Clip:
    return Clip(Claim(new_id(), new_id(), new_id(), False, "Goal", "", "sports", "public"))


@pytest.fixture
def token(tmp_path: Path) -> ServiceToken:
    file = tmp_path / "upload.jwt"
    file.write_text("upload")
    return ServiceToken(file)


@pytest.fixture(params=["catalog", "memory"])
async def catalog(
    request: pytest.FixtureRequest, scratch_schema: MakeScratch, token: ServiceToken
) -> AsyncIterator[Catalog]:
    if request.param == "memory":
        yield MemoryCatalog()
        return
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
        ingest = Ingest(transactions(pool, open_store, lambda: None), upload_handlers(utc_now), utc_now)
        servicers = [(add_IngestServiceServicer_to_server, ingest)]
        async with (
            grpc_server("127.0.0.1:0", servicers, TrustsNames(), stopping=asyncio.Event()) as port,
            channel(f"127.0.0.1:{port}", token=token) as opened,
        ):
            yield CatalogOverGrpc(opened)


async def deliver(catalog: Catalog, event: Message) -> Delivered:
    return await catalog.deliver(event, describe(event))


async def test_a_new_video_is_claimed_with_its_first_generation(catalog: Catalog) -> None:
    assert await catalog.claim_video(a_clip().claim) == 1


async def test_repeating_a_claim_gives_the_same_generation(catalog: Catalog) -> None:
    clip = a_clip()
    assert [await catalog.claim_video(clip.claim) for _ in range(3)] == [1, 1, 1]


async def test_another_upload_of_the_video_gets_the_next_generation(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    await deliver(catalog, clip.event(UploadAborted))
    assert await catalog.claim_video(replace(clip.claim, upload_id=new_id(), must_exist=True)) == 2


async def test_a_draft_that_an_upload_holds_is_not_claimed_until_that_has_ended(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    other = replace(clip.claim, upload_id=new_id(), must_exist=True)
    with pytest.raises(Failure) as raised:
        await catalog.claim_video(other)
    assert (raised.value.kind, raised.value.code) == (Kind.CONFLICT, "UPLOAD_NOT_ALLOWED")
    await deliver(catalog, clip.event(UploadFailed))
    assert await catalog.claim_video(other) == 2


async def test_an_upload_whose_claim_was_given_back_claims_the_next_generation(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    await deliver(catalog, clip.event(UploadFailed))
    assert await catalog.claim_video(clip.claim) == 2
    assert (await deliver(catalog, clip.event(UploadStarted, 2))).status == "UPLOADING"


async def test_of_claims_at_once_one_wins(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    await deliver(catalog, clip.event(UploadAborted))
    claims = [replace(clip.claim, upload_id=new_id(), must_exist=True) for _ in range(5)]
    outcomes = await asyncio.gather(*map(catalog.claim_video, claims), return_exceptions=True)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Failure)] == [2]


@pytest.mark.parametrize("stranger", [False, True])
async def test_only_an_own_video_is_claimed(catalog: Catalog, stranger: bool) -> None:
    clip = a_clip()
    if stranger:
        await catalog.claim_video(clip.claim)
    with pytest.raises(Failure) as raised:
        await catalog.claim_video(replace(clip.claim, user_id=new_id(), upload_id=new_id(), must_exist=True))
    assert (raised.value.kind, raised.value.code) == (Kind.NOT_FOUND, "VIDEO_NOT_FOUND")


async def test_a_video_that_is_uploading_or_uploaded_is_not_claimed(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    for event in (UploadStarted, UploadCompleted):
        await deliver(catalog, clip.event(event))
        with pytest.raises(Failure) as raised:
            await catalog.claim_video(replace(clip.claim, upload_id=new_id(), must_exist=True))
        assert (raised.value.kind, raised.value.code) == (Kind.CONFLICT, "UPLOAD_NOT_ALLOWED")


async def test_an_event_is_answered_with_the_status_that_it_led_to(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    assert await deliver(catalog, clip.event(UploadStarted)) == Delivered("UPLOADING", 2)
    assert await deliver(catalog, clip.event(UploadCompleted)) == Delivered("UPLOADED", 3)


async def test_an_event_that_overtook_its_predecessor_makes_both_transitions(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    assert await deliver(catalog, clip.event(UploadCompleted)) == Delivered("UPLOADED", 3)
    assert await deliver(catalog, clip.event(UploadStarted)) == Delivered("UPLOADED", 3)


async def test_the_same_event_again_changes_nothing(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    event = clip.event(UploadStarted)
    meta = describe(event)
    assert {await catalog.deliver(event, meta) for _ in range(3)} == {Delivered("UPLOADING", 2)}


async def test_an_upload_that_ended_gives_the_video_back(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    await deliver(catalog, clip.event(UploadStarted))
    assert await deliver(catalog, clip.event(UploadAborted)) == Delivered("DRAFT", 3)
    assert await catalog.claim_video(replace(clip.claim, upload_id=new_id(), must_exist=True)) == 2


async def test_what_an_older_generation_tells_changes_nothing(catalog: Catalog) -> None:
    clip = a_clip()
    await catalog.claim_video(clip.claim)
    await deliver(catalog, clip.event(UploadAborted))
    await catalog.claim_video(replace(clip.claim, upload_id=new_id(), must_exist=True))
    assert (await deliver(catalog, clip.event(UploadCompleted, 1))).status == "DRAFT"


class Sleeps(IngestServiceServicer):
    """A catalog that does not answer."""

    async def DeliverEvent(self, request: object, context: object) -> None:  # type: ignore[override]
        await asyncio.Event().wait()

    async def ClaimVideoForUpload(self, request: object, context: object) -> None:  # type: ignore[override]
        await asyncio.Event().wait()


async def test_a_catalog_that_does_not_answer_is_not_waited_for(
    token: ServiceToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "DELIVER_SECONDS", 0.2)
    servicers = [(add_IngestServiceServicer_to_server, Sleeps())]
    async with (
        grpc_server("127.0.0.1:0", servicers, TrustsNames(), stopping=asyncio.Event()) as port,
        channel(f"127.0.0.1:{port}", token=token) as opened,
    ):
        async with asyncio.timeout(10):
            with pytest.raises(Failure) as raised:
                await deliver(CatalogOverGrpc(opened), a_clip().event(UploadStarted))
            assert raised.value.kind is Kind.DEADLINE_EXCEEDED


@pytest.mark.parametrize("name", ["upload.jwt that is empty", "stranger"])
async def test_what_the_catalog_has_against_our_token_is_no_mistake_of_the_user(tmp_path: Path, name: str) -> None:
    file = tmp_path / "token"
    file.write_text(name)

    class Strict(TrustsNames):
        async def service(self, token: str) -> ServiceCaller:
            if token != "stranger":
                raise Unauthenticated
            return ServiceCaller(token)

    servicers = [(add_IngestServiceServicer_to_server, Sleeps())]
    async with (
        grpc_server("127.0.0.1:0", servicers, Strict(), stopping=asyncio.Event()) as port,
        channel(f"127.0.0.1:{port}", token=ServiceToken(file)) as opened,
    ):
        with pytest.raises(Unavailable):
            await CatalogOverGrpc(opened).claim_video(a_clip().claim)


async def test_a_request_of_ours_that_the_catalog_refuses_is_our_mistake(
    scratch_schema: MakeScratch, token: ServiceToken
) -> None:
    scratch = await scratch_schema(resources.files("services.catalog.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as pool:
        ingest = Ingest(transactions(pool, open_store, lambda: None), upload_handlers(utc_now), utc_now)
        servicers = [(add_IngestServiceServicer_to_server, ingest)]
        async with (
            grpc_server("127.0.0.1:0", servicers, TrustsNames(), stopping=asyncio.Event()) as port,
            channel(f"127.0.0.1:{port}", token=token) as opened,
        ):
            with pytest.raises(Failure) as raised:
                await CatalogOverGrpc(opened).claim_video(replace(a_clip().claim, title=""))
            assert raised.value.kind is Kind.INTERNAL


async def test_a_catalog_that_is_away_is_unavailable(token: ServiceToken) -> None:
    async with channel("127.0.0.1:1", token=token, timeout_seconds=2) as opened:
        with pytest.raises((Unavailable, DeadlineExceeded)):
            await CatalogOverGrpc(opened).claim_video(a_clip().claim)
