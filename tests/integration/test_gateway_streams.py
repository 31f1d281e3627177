"""Streams over HTTP: server-sent events."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from chassis.errors import Failure, Kind, Unavailable
from tests.gateway_world import World, abort, gateway_world
from tests.openapi import assert_matches_openapi, events

LIMIT_SECONDS = 10
WATCH = "/v1/videos/v/events"


class VideoNotFound(Failure, kind=Kind.NOT_FOUND, code="VIDEO_NOT_FOUND", next_action="Look at the list of videos."):
    """There is no such video."""


@pytest_asyncio.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with gateway_world(heartbeat_seconds=0.2) as opened:
        yield opened


def status(world: World, sequence: int, **fields: Any) -> Any:
    given = {"video_id": "v", "status": 4, "changed_at": {"seconds": 1}} | fields
    return world.message("WatchVideo", sequence=sequence, **given)


@asynccontextmanager
async def lines(world: World, **options: Any) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream as they come, for 10 s at most."""
    async with asyncio.timeout(LIMIT_SECONDS), world.http.stream("GET", WATCH, **options) as answer:
        assert answer.status_code == 200
        yield answer.aiter_lines()


async def test_messages_become_events_and_the_stream_ends_with_the_rpc(world: World) -> None:
    async def watch(request: Any, _: Any) -> AsyncIterator[Any]:
        assert request.video_id == "v"
        yield status(world, 3)
        yield status(world, 4, status=5, final=True)

    world.program("WatchVideo", watch)
    answer = await world.http.get(WATCH)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert re.findall(r"^id: (\d+)", answer.text, re.MULTILINE) == ["3", "4"]
    assert [(name, data["status"]) for name, data in events(answer.text)] == [
        ("message", "PROCESSING"),
        ("message", "READY"),
    ]
    assert_matches_openapi(answer)


@pytest.mark.parametrize(
    ("url", "headers", "after"),
    [
        (WATCH, {}, None),
        (f"{WATCH}?after_sequence=5", {}, 5),
        (WATCH, {"Last-Event-ID": "7"}, 7),
        (f"{WATCH}?after_sequence=5", {"Last-Event-ID": "7"}, 7),
        (WATCH, {"Last-Event-ID": ""}, None),
    ],
)
async def test_a_stream_is_resumed_after_the_last_event(
    world: World, url: str, headers: dict[str, str], after: int | None
) -> None:
    requests = []

    async def watch(request: Any, _: Any) -> AsyncIterator[Any]:
        requests.append(request.after_sequence if request.HasField("after_sequence") else None)
        yield status(world, 8)

    world.program("WatchVideo", watch)
    assert (await world.http.get(url, headers=headers)).status_code == 200
    assert requests == [after]


@pytest.mark.parametrize("seen", ["seven", "-1", "07", str(2**32)])
async def test_a_last_event_id_that_is_no_sequence_is_refused_by_its_name(world: World, seen: str) -> None:
    answer = await world.http.get(WATCH, headers={"Last-Event-ID": seen})
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error["field"] == "Last-Event-ID"
    assert f'"{seen}"' in error["message"]
    assert_matches_openapi(answer)


async def test_who_has_seen_everything_is_told_not_to_reconnect(world: World) -> None:
    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        return
        yield

    world.program("WatchVideo", watch)
    answer = await world.http.get(WATCH, headers={"Last-Event-ID": "7"})
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (204, b"", "no-store")
    assert_matches_openapi(answer)


async def test_a_stream_that_fails_at_once_is_a_status_and_a_problem(world: World) -> None:
    async def watch(_: Any, context: Any) -> AsyncIterator[Any]:
        await abort(context, VideoNotFound())
        yield None

    world.program("WatchVideo", watch)
    answer = await world.http.get(WATCH)
    assert (answer.status_code, answer.json()["code"]) == (404, "VIDEO_NOT_FOUND")
    assert_matches_openapi(answer)


async def test_a_stream_that_fails_later_ends_with_an_error_event(world: World) -> None:
    async def watch(_: Any, context: Any) -> AsyncIterator[Any]:
        yield status(world, 1)
        await abort(context, Unavailable("The server is stopping; another one goes on.", retry_after=1))

    world.program("WatchVideo", watch)
    answer = await world.http.get(WATCH)
    (first, _), (last, problem) = events(answer.text)
    assert (first, last, problem["code"]) == ("message", "error", "UNAVAILABLE")
    assert_matches_openapi(answer)
    assert re.findall(r"^id: (.*)", answer.text, re.MULTILINE) == ["1"], "the error is nothing to resume after"
    assert re.search(r"^retry: \d+$", answer.text, re.MULTILINE)


async def test_inner_text_of_a_broken_stream_is_not_shown(world: World) -> None:
    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        yield status(world, 1)
        raise RuntimeError("hunter2")

    world.program("WatchVideo", watch)
    answer = await world.http.get(WATCH)
    assert events(answer.text)[-1][1]["code"] == "INTERNAL"
    assert "hunter2" not in answer.text


async def test_a_quiet_stream_begins_and_has_heartbeats(world: World) -> None:
    go_on = asyncio.Event()

    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        await go_on.wait()
        yield status(world, 1)

    world.program("WatchVideo", watch)
    async with lines(world) as read:
        heartbeats = 0
        async for line in read:
            heartbeats += line == ": heartbeat"
            if heartbeats == 2:
                go_on.set()
            if line.startswith("data:"):
                break
    assert heartbeats >= 2


async def test_a_watcher_who_hangs_up_cancels_the_call(world: World) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        started.set()
        yield status(world, 1)
        try:
            await asyncio.sleep(LIMIT_SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    world.program("WatchVideo", watch)
    async with lines(world) as read:
        assert await anext(read)
    await asyncio.wait_for(cancelled.wait(), LIMIT_SECONDS)


async def test_a_watcher_who_leaves_before_the_first_event_cancels_the_call(world: World) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        started.set()
        try:
            await asyncio.sleep(LIMIT_SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        yield None

    world.program("WatchVideo", watch)
    with socket.create_connection(("127.0.0.1", world.port)) as caller:
        caller.sendall(f"GET {WATCH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await asyncio.wait_for(started.wait(), LIMIT_SECONDS)
    await asyncio.wait_for(cancelled.wait(), LIMIT_SECONDS)


async def test_head_opens_no_stream(world: World) -> None:
    cancelled = asyncio.Event()

    async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
        try:
            yield status(world, 1)
            await asyncio.sleep(LIMIT_SECONDS)
        finally:
            cancelled.set()

    world.program("WatchVideo", watch)
    answer = await world.http.head(WATCH)
    assert (answer.status_code, answer.content) == (200, b"")
    await asyncio.wait_for(cancelled.wait(), LIMIT_SECONDS)


async def test_a_stream_that_reaches_its_longest_time_tells_to_resume() -> None:
    async with gateway_world(stream_seconds=1.5) as world:

        async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
            yield status(world, 1)
            await asyncio.sleep(LIMIT_SECONDS)

        world.program("WatchVideo", watch)
        answer = await world.http.get(WATCH)
        assert [name for name, _ in events(answer.text)] == ["message"]
        assert re.search(r"^retry: \d+$", answer.text, re.MULTILINE)


async def test_streams_end_and_tell_to_resume_when_the_gateway_stops() -> None:
    cancelled = asyncio.Event()
    async with gateway_world(drain_seconds=0.5) as world:

        async def watch(_: Any, __: Any) -> AsyncIterator[Any]:
            yield status(world, 1)
            try:
                await asyncio.sleep(LIMIT_SECONDS)
            finally:
                cancelled.set()

        world.program("WatchVideo", watch)
        async with lines(world) as read:
            assert await anext(read) == "id: 1"
            world.service.stopping.set()
            rest = [line async for line in read]
            assert any(re.fullmatch(r"retry: \d+", line) for line in rest)
            assert "event: error" not in rest
        await asyncio.wait_for(cancelled.wait(), LIMIT_SECONDS)
        refused = await world.http.get(WATCH)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


async def test_many_watchers_each_see_their_own_stream(world: World) -> None:
    async def watch(request: Any, _: Any) -> AsyncIterator[Any]:
        for sequence in range(3):
            yield status(world, sequence, video_id=request.video_id)
            await asyncio.sleep(0.01)

    world.program("WatchVideo", watch)

    async def one(number: int) -> set[str]:
        answer = await world.http.get(f"/v1/videos/{number}/events")
        return {data["video_id"] for _, data in events(answer.text)}

    assert await asyncio.gather(*(one(number) for number in range(40))) == [{str(number)} for number in range(40)]


async def test_a_transport_error_within_a_stream_is_an_error_event(world: World) -> None:
    async def watch(_: Any, context: Any) -> AsyncIterator[Any]:
        yield status(world, 1)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "10.0.0.7 reset")

    world.program("WatchVideo", watch)
    answer: httpx.Response = await world.http.get(WATCH)
    assert events(answer.text)[-1][1]["code"] == "UNAVAILABLE"
    assert "10.0.0.7" not in answer.text
