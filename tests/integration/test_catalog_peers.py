"""What upload and media answer, over real gRPC and by the fakes: the same."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import grpc
import pytest
from catalog_videos import Clip
from google.protobuf.message import Message

from chassis.errors import Failure, Internal, Unavailable
from chassis.grpc_client import channel
from nextplay.media.v1.media_service_pb2 import GetJobStateRequest, GetJobStateResponse
from nextplay.upload.v1.upload_service_pb2 import GetUploadStateRequest, GetUploadStateResponse
from services.catalog.fakes.peers import FakePeer
from services.catalog.peers import media_over_grpc, upload_over_grpc
from services.catalog.ports.peers import Answer, AskPeer

NOW = datetime(2026, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC)


@dataclass
class Peer:
    """A peer as a test tells it what to know."""

    ask: AskPeer
    knows: Callable[..., None]
    send_away: Callable[[], None]


@dataclass
class States:
    """The methods of both peers that are called, answering what they were told."""

    known: dict[tuple[str, int], tuple[Message | None, datetime | None]] = field(default_factory=dict)
    away: bool = False

    def knows(self, video_id: UUID, generation: int, fact: Message | None = None, time: datetime | None = None) -> None:
        self.known[str(video_id), generation] = (fact, time)

    async def _fill(self, request: Any, reply: Any, context: Any) -> Any:
        if self.away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        fact, time = self.known.get((request.video_id, request.generation), (None, None))
        if fact is not None and time is not None:
            reply.fact.Pack(fact)
            reply.time.FromDatetime(time)
        return reply

    async def GetUploadState(self, request: GetUploadStateRequest, context: Any) -> GetUploadStateResponse:
        reply: GetUploadStateResponse = await self._fill(request, GetUploadStateResponse(), context)
        return reply

    async def GetJobState(self, request: GetJobStateRequest, context: Any) -> GetJobStateResponse:
        exists = (request.video_id, request.generation) in self.known
        reply: GetJobStateResponse = await self._fill(request, GetJobStateResponse(exists=exists), context)
        return reply


def _serialized(reply: Message) -> bytes:
    return reply.SerializeToString()


@asynccontextmanager
async def peer_over_grpc(adapter: Callable[[grpc.aio.Channel], AskPeer]) -> AsyncIterator[Peer]:
    states, server = States(), grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler
    methods: dict[str, dict[str, grpc.RpcMethodHandler[Any, Any]]] = {
        "nextplay.upload.v1.UploadService": {
            "GetUploadState": handler(states.GetUploadState, GetUploadStateRequest.FromString, _serialized)
        },
        "nextplay.media.v1.MediaService": {
            "GetJobState": handler(states.GetJobState, GetJobStateRequest.FromString, _serialized)
        },
    }
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, handlers) for service, handlers in methods.items()]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with channel(f"127.0.0.1:{port}", timeout_seconds=2.0) as opened:
        yield Peer(adapter(opened), states.knows, lambda: setattr(states, "away", True))
    await server.stop(None)


@pytest.fixture(params=["upload", "media", "fake"])
async def peer(request: pytest.FixtureRequest) -> AsyncIterator[Peer]:
    if request.param == "fake":
        fake = FakePeer()
        yield Peer(fake, fake.knows, lambda: setattr(fake, "away", True))
        return
    async with peer_over_grpc({"upload": upload_over_grpc, "media": media_over_grpc}[request.param]) as opened:
        yield opened


@pytest.fixture
def fact(request: pytest.FixtureRequest) -> Message:
    """An event of the peer that is asked."""
    of_media = request.node.callspec.params["peer"] == "media"
    return Clip().transcoded() if of_media else Clip().completed()


async def test_what_is_not_known_is_said_to_be_unknown(peer: Peer) -> None:
    assert await peer.ask(Clip().video_id, 1) == Answer(False)


async def test_the_latest_fact_comes_with_its_time(peer: Peer, fact: Message) -> None:
    clip = Clip()
    peer.knows(clip.video_id, 2, fact, NOW)
    assert await peer.ask(clip.video_id, 2) == Answer(True, fact, NOW)
    assert await peer.ask(clip.video_id, 1) == Answer(False)


async def test_a_peer_that_is_away_is_unavailable(peer: Peer) -> None:
    peer.send_away()
    with pytest.raises(Unavailable):
        await peer.ask(Clip().video_id, 1)


async def test_a_job_that_waits_is_known_without_a_fact() -> None:
    clip = Clip()
    async with peer_over_grpc(media_over_grpc) as media:
        media.knows(clip.video_id, 1)
        assert await media.ask(clip.video_id, 1) == Answer(True)


async def test_a_fact_that_is_no_event_of_the_peer_is_our_mistake() -> None:
    clip = Clip()
    async with peer_over_grpc(upload_over_grpc) as upload:
        upload.knows(clip.video_id, 1, clip.transcoded(), NOW)
        with pytest.raises(Internal, match="TranscodeCompleted"):
            await upload.ask(clip.video_id, 1)


async def test_a_peer_that_nobody_listens_for_is_a_failure_in_time() -> None:
    async with channel("127.0.0.1:1", timeout_seconds=1.0) as nowhere:
        with pytest.raises(Failure):
            await media_over_grpc(nowhere)(Clip().video_id, 1)
