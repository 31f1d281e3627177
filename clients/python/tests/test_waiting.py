"""Waiting for a video, watching it and the inbox, against a platform that is a local HTTP server."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from fake_platform import FakePlatform, Reply, Request, problem

from nextplay_client import Client, NotFound, StillWaiting, VideoNotReady

pytestmark = pytest.mark.usefixtures("at_once", "soon")
EVENTS, STATUS = "/v1/videos/01a2/events", "/v1/videos/01a2/status"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pauses between connections."""
    monkeypatch.setattr("nextplay_client.waiting.POLL_SECONDS", 0.01)
    monkeypatch.setattr("nextplay_client.streaming.PAUSE_SECONDS", (0.0, 0.01))


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[Client]:
    with Client(platform.address, "token") as client:
        yield client


def told(status: str, sequence: int, **more: object) -> dict[str, object]:
    return {"video_id": "01a2", "status": status, "sequence": sequence, "progress": 50} | more


def stream(*events: object) -> Reply:
    return 200, {"stream": "".join(f": heartbeat\n\ndata: {json.dumps(event)}\n\n" for event in events)}


def test_a_video_that_is_ready_ends_the_wait_with_every_change_told(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [stream(told("UPLOADED", 3), told("PROCESSING", 4), told("READY", 5))]
    seen = list[object]()
    assert client.wait("01a2", on_status=lambda status: seen.append(status["status"]))["sequence"] == 5
    assert seen == ["UPLOADED", "PROCESSING", "READY"]


def test_a_stream_that_breaks_is_opened_again_where_it_broke(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [stream(told("UPLOADED", 3)), stream(told("READY", 5))]
    assert client.wait("01a2")["status"] == "READY"
    assert [request.headers.get("last-event-id") for request in platform.requests] == [None, "3"]


def test_where_streams_do_not_get_through_the_status_is_polled(platform: FakePlatform, client: Client) -> None:
    platform.faults.append(lambda request: "cut" if request.path == EVENTS else None)
    platform.answers[STATUS] = [(200, told("PROCESSING", 4)), (200, told("PROCESSING", 4)), (200, told("READY", 5))]
    seen = list[object]()
    client.wait("01a2", on_status=lambda status: seen.append(status["status"]))
    assert seen == ["PROCESSING", "READY"]


def test_a_stream_that_is_held_back_on_the_way_is_not_waited_for(
    platform: FakePlatform, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nextplay_client.waiting.FIRST_SILENCE_SECONDS", 0.05)
    over = threading.Event()
    platform.faults.append(lambda request: over.wait(10) and None if request.path == EVENTS else None)
    platform.answers[STATUS] = [(200, told("PROCESSING", 4)), (200, told("PROCESSING", 4)), (200, told("READY", 5))]
    seen = list[object]()
    client.wait("01a2", on_status=lambda status: seen.append(status["status"]))
    over.set()
    assert seen == ["PROCESSING", "READY"]


def test_waiting_goes_on_while_the_server_says_later(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [problem(503, "UNAVAILABLE"), stream(told("READY", 5))]
    platform.answers[STATUS] = [problem(504, "DEADLINE_EXCEEDED"), (200, told("PROCESSING", 4))]
    assert client.wait("01a2")["status"] == "READY"


def test_a_stream_that_ends_with_a_failure_is_opened_again(platform: FakePlatform, client: Client) -> None:
    failure = (200, {"stream": 'retry: 1\nevent: error\ndata: {"code": "UNAVAILABLE"}\n\n'})
    platform.answers[EVENTS] = [failure, stream(told("READY", 5))]
    assert client.wait("01a2")["status"] == "READY"


def test_waiting_ends_at_a_refusal(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [problem(404, "VIDEO_NOT_FOUND")]
    with pytest.raises(NotFound) as refused:
        client.wait("01a2")
    assert (refused.value.code, refused.value.next_action) == ("VIDEO_NOT_FOUND", "Do this.")


@pytest.mark.parametrize("status", ["REJECTED_TOO_LONG", "REJECTED_FORMAT", "PROCESSING_FAILED", "DRAFT"])
def test_a_video_that_does_not_become_ready_says_why(status: str, platform: FakePlatform, client: Client) -> None:
    reason = {"code": "X", "message": "It is too long.", "stage": "probe", "next_action": "Trim it."}
    platform.answers[EVENTS] = [stream(told(status, 5, reason=reason))]
    with pytest.raises(VideoNotReady, match=rf"{status}\. It is too long\. Trim it\.") as refused:
        client.wait("01a2")
    assert refused.value.status["sequence"] == 5


def test_the_time_to_wait_has_an_end(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [stream(told("PROCESSING", 4))]
    began = time.monotonic()
    with pytest.raises(StillWaiting, match="not ready within 1 s"):
        client.wait("01a2", timeout_seconds=1)
    assert time.monotonic() - began < 30


def test_a_watch_ends_where_there_is_nothing_more_to_see(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [(204, {})]
    assert list(client.watch("01a2", after_sequence=7)) == []


def test_a_watch_goes_on_after_ready_until_the_video_is_published(platform: FakePlatform, client: Client) -> None:
    platform.answers[EVENTS] = [stream(told("READY", 5)), stream(told("PUBLISHED", 6))]
    assert [status["status"] for status in client.watch("01a2")] == ["READY", "PUBLISHED"]


def test_the_inbox_is_watched_over_broken_streams_each_notification_once(
    platform: FakePlatform, client: Client
) -> None:
    first, second = ({"sequence": n, "notification": {"notification_id": str(n)}} for n in (8, 9))
    platform.answers["/v1/notifications/stream"] = [stream({"sequence": 7}, first), (503, {}), stream(second)]
    watched = client.notifications.watch(after_sequence=7)
    assert [next(watched)["sequence"] for _ in range(3)] == [7, 8, 9]
    assert [request.headers["last-event-id"] for request in platform.requests] == ["7", "8", "8"]


def test_lists_fetch_their_pages_as_they_are_read(platform: FakePlatform, client: Client) -> None:
    pages = [{"videos": [{"video_id": f"{n}-{m}"} for m in range(2)], "next_page_token": f"page-{n}"} for n in (1, 2)]
    last = {"videos": [{"video_id": "last"}], "next_page_token": ""}
    platform.answers["/v1/feed"] = [(200, page) for page in (*pages, last)]
    entries = client.feed()
    assert next(entries)["video_id"] == "1-0"
    assert len(platform.requests) == 1
    assert [entry["video_id"] for entry in entries] == ["1-1", "2-0", "2-1", "last"]
    assert [request.query.get("page_token") for request in platform.requests] == [None, "page-1", "page-2"]


def test_a_list_of_so_many_asks_for_no_more(platform: FakePlatform, client: Client) -> None:
    platform.answers["/v1/videos"] = [
        (200, {"videos": [{"video_id": "a"}, {"video_id": "b"}], "next_page_token": "more"})
    ]
    assert len(list(client.videos(status="READY", limit=2))) == 2
    (request,) = platform.requests
    assert (request.query["page_size"], request.query["status"]) == ("2", "READY")


def test_a_token_that_is_over_is_fetched_anew_once_for_all(platform: FakePlatform) -> None:
    given = iter(["old", "new"])

    def refuse_the_old_one(request: Request) -> Reply | None:
        return problem(401, "UNAUTHENTICATED") if request.headers["authorization"] == "Bearer old" else None

    platform.faults.append(refuse_the_old_one)
    platform.answers["/v1/videos/01a2"] = [(200, {"video_id": "01a2"})]
    with Client(platform.address, lambda: next(given)) as client:
        threads = [threading.Thread(target=client.video, args=["01a2"]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert client.video("01a2")["video_id"] == "01a2"
    assert next(given, None) is None
    assert platform.requests[-1].headers["authorization"] == "Bearer new"
