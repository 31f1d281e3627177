"""Replies and failures over HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from chassis.errors import Failure, FieldViolation, InvalidArgument, Kind, Unauthenticated, Unavailable
from tests.gateway_world import World, gateway_world
from tests.openapi import assert_matches_openapi

LIMIT_SECONDS = 10


class UploadExpired(Failure, kind=Kind.GONE, code="UPLOAD_EXPIRED", next_action="Start a new upload."):
    """The upload expired before it was completed."""


class TooMany(Failure, kind=Kind.RATE_LIMITED, code="RATE_LIMITED", next_action="Wait."):
    """10 uploads were started within the hour; the limit is 10."""


@pytest_asyncio.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with gateway_world(unary_seconds=1.5, cors_origins=["https://app.example.com"]) as opened:
        yield opened


async def test_what_is_not_optional_is_always_printed(world: World) -> None:
    times = {"changed_at": {"seconds": 1766664000, "nanos": 500_000_000}}
    world.replies("GetVideoStatus", video_id="v", status=4, allowed_actions=[6], **times)
    answer = await world.http.get("/v1/videos/v/status")
    assert answer.json() == {
        "video_id": "v",
        "status": "PROCESSING",
        "progress": 0,
        "sequence": 0,
        "generation": 0,
        "final": False,
        "allowed_actions": ["delete"],
        "changed_at": "2025-12-25T12:00:00.500Z",
    }
    assert_matches_openapi(answer)


async def test_an_empty_reply_has_no_content(world: World) -> None:
    world.replies("AbortUpload")
    answer = await world.http.delete("/v1/uploads/abc")
    assert (answer.status_code, answer.content) == (204, b"")
    assert_matches_openapi(answer)


async def test_an_http_body_is_the_answer(world: World) -> None:
    world.replies("GetPlaylist", content_type="application/vnd.apple.mpegurl", data=b"#EXTM3U\n")
    answer = await world.http.get("/v1/videos/v/hls/master.m3u8?token=t")
    assert (answer.status_code, answer.content) == (200, b"#EXTM3U\n")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    assert_matches_openapi(answer)


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*", '"a",{},"b"'])
async def test_an_unchanged_reply_is_not_sent_again(world: World, known: str) -> None:
    world.replies("GetUpload", upload_id="one", status=1)
    first = await world.http.get("/v1/uploads/one")
    etag = first.headers["etag"]
    again = await world.http.get("/v1/uploads/one", headers={"If-None-Match": known.format(etag)})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert_matches_openapi(again)
    world.replies("GetUpload", upload_id="one", status=2)
    changed = await world.http.get("/v1/uploads/one", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def test_the_time_of_an_answer_does_not_make_it_another_one(world: World) -> None:
    world.replies("GetUpload", upload_id="one", status=1, server_time={"seconds": 1766664000})
    first = await world.http.get("/v1/uploads/one")
    world.replies("GetUpload", upload_id="one", status=1, server_time={"seconds": 1766664001})
    second = await world.http.get("/v1/uploads/one")
    assert [answer.json()["server_time"][-3:] for answer in (first, second)] == ["00Z", "01Z"]
    etag = second.headers["etag"]
    assert etag == first.headers["etag"]
    assert etag.startswith('W/"'), "it names what is told, not each byte"
    again = await world.http.get("/v1/uploads/one", headers={"If-None-Match": etag})
    assert (again.status_code, again.headers["etag"]) == (304, etag)
    world.replies("GetUpload", upload_id="one", status=2, server_time={"seconds": 1766664001})
    assert (await world.http.get("/v1/uploads/one")).headers["etag"] != etag


async def test_only_get_has_an_etag(world: World) -> None:
    world.replies("CompleteUpload", status=3)
    answer = await world.http.post("/v1/uploads/abc/complete", headers={"If-None-Match": "*"})
    assert answer.status_code == 200
    assert "etag" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"


async def test_head_is_get_without_the_body(world: World) -> None:
    world.replies("GetUpload", upload_id="one", status=1)
    whole, head = await world.http.get("/v1/uploads/one"), await world.http.head("/v1/uploads/one")
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length", "cache-control", "vary"):
        assert head.headers[name] == whole.headers[name]
    assert_matches_openapi(head)
    known = await world.http.head("/v1/uploads/one", headers={"If-None-Match": head.headers["etag"]})
    assert known.status_code == 304
    assert_matches_openapi(known)
    world.fails("GetUpload", Unavailable(retry_after=7))
    away = await world.http.head("/v1/uploads/one")
    assert (away.status_code, away.headers["retry-after"]) == (503, "7")
    assert_matches_openapi(away)


async def test_a_failure_of_the_service_keeps_its_kind_code_sentence_and_fields(world: World) -> None:
    world.fails("CompleteUpload", UploadExpired("The upload expired at 12:00:00 UTC; an upload lives 60 minutes."))
    answer = await world.http.post("/v1/uploads/abc/complete")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (410, "UPLOAD_EXPIRED", 410)
    assert problem["detail"] == "The upload expired at 12:00:00 UTC; an upload lives 60 minutes."
    assert problem["next_action"] == "Start a new upload."
    assert_matches_openapi(answer)

    wrong = InvalidArgument(fields=[FieldViolation("title", "must have 1 to 80 characters, has 81 characters")])
    world.fails("CompleteUpload", wrong)
    answer = await world.http.post("/v1/uploads/abc/complete")
    assert answer.json()["detail"] == "title must have 1 to 80 characters, has 81 characters."
    assert answer.json()["errors"] == [{"field": "title", "message": "must have 1 to 80 characters, has 81 characters"}]


async def test_a_rate_limit_tells_when_to_come_back(world: World) -> None:
    world.fails("InitiateUpload", TooMany(retry_after=1234))
    body = {"title": "t", "category": "c", "filename": "f", "content_type": "video/mp4", "file_size_bytes": 1}
    answer = await world.http.post("/v1/uploads/initiate", json=body)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1234")
    assert "t=1234" in answer.headers["ratelimit"]
    assert_matches_openapi(answer)


async def test_a_missing_token_is_401_with_its_challenge(world: World) -> None:
    world.fails("GetUpload", Unauthenticated())
    answer = await world.http.get("/v1/uploads/abc")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert_matches_openapi(answer)


async def test_an_unavailable_service_is_503_with_retry_after(world: World) -> None:
    world.fails("GetUpload", Unavailable("The database is not reachable at the moment.", retry_after=3))
    answer = await world.http.get("/v1/uploads/abc")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert_matches_openapi(answer)


async def test_what_a_service_did_not_mean_to_say_is_not_shown(world: World) -> None:
    async def explode(_: Any, __: Any) -> None:
        raise RuntimeError("password=hunter2 in SELECT * FROM uploads")

    world.program("GetUpload", explode)
    answer = await world.http.get("/v1/uploads/abc")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "hunter2" not in answer.text
    assert_matches_openapi(answer)


async def test_a_call_that_takes_too_long_is_504_and_stops(world: World) -> None:
    stopped = asyncio.Event()

    async def sleep(_: Any, context: Any) -> None:
        assert context.time_remaining() < 2
        try:
            await asyncio.sleep(LIMIT_SECONDS)
        finally:
            stopped.set()

    world.program("GetUpload", sleep)
    answer = await world.http.get("/v1/uploads/abc")
    assert (answer.status_code, answer.json()["code"]) == (504, "DEADLINE_EXCEEDED")
    await asyncio.wait_for(stopped.wait(), LIMIT_SECONDS)
    assert_matches_openapi(answer)


async def test_a_caller_who_hangs_up_cancels_the_call() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(_: Any, __: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(LIMIT_SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with gateway_world(unary_seconds=30) as world:
        world.program("GetUpload", wait)
        with socket.create_connection(("127.0.0.1", world.port)) as caller:
            caller.sendall(b"GET /v1/uploads/abc HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.wait_for(started.wait(), LIMIT_SECONDS)
        await asyncio.wait_for(cancelled.wait(), LIMIT_SECONDS)
        world.replies("GetUpload")
        assert (await world.http.get("/v1/uploads/abc")).status_code == 200


async def test_a_caller_who_leaves_in_the_middle_of_a_body_leaves_nothing_behind(world: World) -> None:
    requests = world.replies("CompleteUpload", status=3)
    with socket.create_connection(("127.0.0.1", world.port)) as caller:
        caller.sendall(
            b"POST /v1/uploads/abc/complete HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
    assert (await world.http.post("/v1/uploads/abc/complete")).status_code == 200
    assert len(requests) == 1


async def test_a_service_that_is_away_is_503(world: World) -> None:
    async def vanish(_: Any, context: Any) -> None:
        await context.abort(grpc.StatusCode.UNAVAILABLE, "connection reset by 10.0.0.7")

    world.program("GetUpload", vanish)
    answer = await world.http.get("/v1/uploads/abc")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "10.0.0.7" not in answer.text


async def test_answers_are_not_sniffed_nor_stored_by_others(world: World) -> None:
    world.replies("GetUpload")
    answer = await world.http.get("/v1/uploads/abc")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in answer.headers["vary"]
    assert "server" not in answer.headers
    assert (await world.http.get("/v1/nothing")).headers["cache-control"] == "no-store"


async def test_a_page_of_a_configured_origin_may_call_and_read(world: World) -> None:
    asked = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PATCH"}
    wanted = "authorization,content-type,idempotency-key,last-event-id,if-none-match,traceparent"
    preflight = await world.http.options("/v1/videos/abc", headers=asked | {"Access-Control-Request-Headers": wanted})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    world.fails("GetUpload", Unavailable())
    answer = await world.http.get("/v1/uploads/abc", headers={"Origin": "https://app.example.com"})
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    exposed = answer.headers["access-control-expose-headers"].replace(" ", "").lower().split(",")
    assert {"etag", "retry-after", "ratelimit"} <= set(exposed)
    assert_matches_openapi(answer)
    world.replies("GetUpload", upload_id="one", status=1)
    whole = await world.http.get("/v1/uploads/abc", headers={"Origin": "https://app.example.com"})
    asked = {"Origin": "https://app.example.com", "If-None-Match": whole.headers["etag"]}
    known = await world.http.get("/v1/uploads/abc", headers=asked)
    assert (known.status_code, known.headers["access-control-allow-origin"]) == (304, "https://app.example.com")
    assert {"authorization", "origin"} <= set(known.headers["vary"].lower().replace(" ", "").split(","))
    for path in ("/v1/nothing", "/openapi.json"):
        other = await world.http.get(path, headers={"Origin": "https://app.example.com"})
        assert other.headers["access-control-allow-origin"] == "https://app.example.com"


async def test_a_page_of_another_origin_may_not(world: World) -> None:
    asked = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "GET"}
    assert (await world.http.options("/v1/feed", headers=asked)).status_code == 400
    answer = await world.http.get("/v1/nothing", headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in answer.headers


async def test_metrics_and_health_are_served(world: World) -> None:
    assert (await world.http.get("/healthz")).json() == {"status": "ok"}
    metrics = await world.http.get("/metrics")
    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")
