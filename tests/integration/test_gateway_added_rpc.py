"""An RPC that is added to the descriptors is served, validated and described without a line of gateway code."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from openapi_spec_validator import validate

from gateway.contract import COMMENTS, DESCRIPTORS
from nextplay.api.v1 import options_pb2
from tests.gateway_world import World, gateway_world
from tests.openapi import assert_matches_openapi, events

STRING, UINT32 = FieldDescriptorProto.TYPE_STRING, FieldDescriptorProto.TYPE_UINT32


def with_shelves() -> bytes:
    """The checked-in descriptors and a service that they do not have, with a unary and a streaming RPC."""
    files = FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    file = files.file.add(name="nextplay/catalog/v1/shelves_service.proto", package="nextplay.catalog.v1")
    file.syntax = "proto3"
    file.dependency.extend(["google/api/annotations.proto", "google/api/field_behavior.proto"])
    file.dependency.append("nextplay/api/v1/options.proto")
    service = file.service.add(name="ShelfService")
    fields = {
        "PutOnShelfRequest": {"shelf_id": STRING, "video_id": STRING, "note": STRING},
        "PutOnShelfResponse": {"shelf_id": STRING, "size": UINT32},
        "WatchShelfRequest": {"shelf_id": STRING, "after_sequence": UINT32},
        "WatchShelfResponse": {"size": UINT32, "sequence": UINT32},
    }
    for name, types in fields.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(types.items(), start=1):
            added = message.field.add(name=field, number=number, type=kind, label=1)
            if field in ("shelf_id", "video_id") and name.endswith("Request"):
                added.options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.REQUIRED)
    put = service.method.add(name="PutOnShelf", input_type=".nextplay.catalog.v1.PutOnShelfRequest")
    put.output_type = ".nextplay.catalog.v1.PutOnShelfResponse"
    put.options.Extensions[annotations_pb2.http].post = "/v1/shelves/{shelf_id}/videos"
    put.options.Extensions[annotations_pb2.http].body = "*"
    watch = service.method.add(name="WatchShelf", input_type=".nextplay.catalog.v1.WatchShelfRequest")
    watch.output_type, watch.server_streaming = ".nextplay.catalog.v1.WatchShelfResponse", True
    watch.options.Extensions[annotations_pb2.http].get = "/v1/shelves/{shelf_id}/events"
    for method in (put, watch):
        rule = options_pb2.Rpc(access=options_pb2.USER, fails=[options_pb2.NOT_FOUND])
        method.options.Extensions[options_pb2.rpc].CopyFrom(rule)
    return files.SerializeToString()


@pytest_asyncio.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    told = {"nextplay.catalog.v1.ShelfService.PutOnShelf": "Puts an own video on a shelf. Safe to repeat."}
    async with gateway_world(with_shelves(), json.loads(COMMENTS.read_bytes()) | told) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module")
async def described(world: World) -> dict[str, Any]:
    return dict((await world.http.get("/openapi.json")).json())


async def test_an_added_unary_rpc_is_called(world: World, described: dict[str, Any]) -> None:
    requests = world.replies("PutOnShelf", shelf_id="s", size=1)
    answer = await world.http.post("/v1/shelves/s/videos", json={"video_id": "v"})
    assert (answer.status_code, answer.json()) == (200, {"shelf_id": "s", "size": 1})
    assert (requests[0].shelf_id, requests[0].video_id) == ("s", "v")
    assert_matches_openapi(answer, described)


async def test_requests_of_an_added_rpc_are_validated(world: World, described: dict[str, Any]) -> None:
    answer = await world.http.post("/v1/shelves/s/videos", json={"videoId": "v"})
    assert answer.status_code == 400
    assert {wrong["field"] for wrong in answer.json()["errors"]} == {"videoId", "video_id"}
    assert_matches_openapi(answer, described)


async def test_an_added_streaming_rpc_is_called(world: World, described: dict[str, Any]) -> None:
    async def watch(request: Any, _: Any) -> AsyncIterator[Any]:
        for sequence in range(request.after_sequence + 1, request.after_sequence + 3):
            yield world.message("WatchShelf", size=sequence, sequence=sequence)

    world.program("WatchShelf", watch)
    answer = await world.http.get("/v1/shelves/s/events", headers={"Last-Event-ID": "4"})
    assert [data["sequence"] for _, data in events(answer.text)] == [5, 6]
    assert_matches_openapi(answer, described)


async def test_an_added_rpc_is_described(described: dict[str, Any]) -> None:
    validate(described)
    put = described["paths"]["/v1/shelves/{shelf_id}/videos"]["post"]
    assert put["summary"] == "Puts an own video on a shelf."
    assert put["security"] == [{"bearer": []}]
    assert {"200", "400", "401", "404", "408", "413", "415", "500", "503", "504"} == set(put["responses"])
    assert json.dumps(described).count('"#/components/schemas/PutOnShelfRequest"') == 1
    assert (
        "text/event-stream" in described["paths"]["/v1/shelves/{shelf_id}/events"]["get"]["responses"]["200"]["content"]
    )
