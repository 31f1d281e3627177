"""What becomes of requests that fail, and of callers who are interrupted."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from fake_platform import FakePlatform, Reply, problem

from nextplay_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NextPlayError,
    RateLimited,
    ServerFault,
    Unauthenticated,
    Unreachable,
)
from nextplay_client.loop_thread import LoopThread

pytestmark = pytest.mark.usefixtures("at_once")
PUBLISH = "/v1/videos/01a2/publish"
IMPORTED_BY_A_REQUEST = """
import sys
from nextplay_client import Client
with Client(sys.argv[1], "token") as client:
    before = set(sys.modules)
    client.publish("01a2")
    print(*sorted(set(sys.modules) - before))
"""


@pytest.fixture
def client(platform: FakePlatform) -> Iterator[Client]:
    with Client(platform.address, "token") as client:
        yield client


def test_a_problem_is_an_exception_with_all_that_it_tells(platform: FakePlatform, client: Client) -> None:
    errors = [{"field": "title", "message": "has 81 characters; at most 80 are allowed"}]
    platform.answers[PUBLISH] = [problem(400, "INVALID_ARGUMENT", errors=errors)]
    with pytest.raises(InvalidRequest) as refused:
        client.publish("01a2")
    error = refused.value
    assert (error.status, error.code, error.next_action, error.trace_id) == (
        400,
        "INVALID_ARGUMENT",
        "Do this.",
        "0" * 32,
    )
    assert [(field.field, field.message) for field in error.fields] == [(errors[0]["field"], errors[0]["message"])]
    assert str(error) == "INVALID_ARGUMENT. title has 81 characters; at most 80 are allowed. Do this."


def test_an_answer_that_is_no_problem_document_is_an_exception_too(platform: FakePlatform, client: Client) -> None:
    platform.answers[PUBLISH] = [(500, {"stream": "<html>"})]
    with pytest.raises(ServerFault) as refused:
        client.publish("01a2")
    assert refused.value.code == "HTTP_500"


def test_the_first_request_has_nothing_to_import(platform: FakePlatform) -> None:
    platform.answers[PUBLISH] = [(200, {})]
    command = [sys.executable, "-c", IMPORTED_BY_A_REQUEST, platform.address]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout.split() == []


@pytest.mark.parametrize(
    "reply", [(200, {"stream": "<html>Sign in to this network"}), (301, {"stream": "<html>"}), (404, {"errors": [1]})]
)
def test_what_another_server_answers_is_an_exception_too(reply: Reply, platform: FakePlatform, client: Client) -> None:
    platform.answers["/v1/videos/01a2"] = [reply]
    with pytest.raises(ApiError, match=f"The server answered {reply[0]}") as refused:
        client.video("01a2")
    assert refused.value.code == f"HTTP_{reply[0]}"


@pytest.mark.parametrize("named", ["", "..", "../uploads/01a2", "01a2?x=1", "01a2#", "%2e%2e", "..\\uploads"])
def test_an_id_that_leads_elsewhere_is_refused(named: str, platform: FakePlatform, client: Client) -> None:
    for call in (client.delete, client.publish, client.wait):
        with pytest.raises(NextPlayError, match="an id is a word"):
            call(named)  # type: ignore[operator]
    assert platform.requests == []


@pytest.mark.parametrize("address", ["localhost:8080", "https://", ""])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(NextPlayError, match="must begin with https:// or http:// and name a host"):
        Client(address, "token")


@pytest.mark.parametrize("token", ["", "tök", "to\nken"])
def test_a_token_that_is_none_is_refused_before_anything_is_asked(token: str, platform: FakePlatform) -> None:
    with Client(platform.address, token) as client, pytest.raises(NextPlayError, match="given as the token is none"):
        client.video("01a2")
    assert platform.requests == []


def test_a_token_that_was_read_from_a_file_may_end_with_its_line(platform: FakePlatform) -> None:
    platform.answers["/v1/videos/01a2"] = [(200, {})]
    with Client(platform.address, "token\n") as client:
        client.video("01a2")
    assert platform.requests[0].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize("lost", ["cut", "lose the answer"])
def test_a_command_is_repeated_under_its_key(lost: str, platform: FakePlatform, client: Client) -> None:
    platform.answers[PUBLISH] = [(200, {"status": "PUBLISHED", "sequence": 6}), problem(409, "ALREADY_PUBLISHED")]
    faults = iter([lost])
    platform.faults.append(lambda request: next(faults, None))  # type: ignore[arg-type,return-value]
    assert client.publish("01a2")["sequence"] == 6
    first, second = platform.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_request_whose_first_attempt_still_runs_is_repeated(platform: FakePlatform, client: Client) -> None:
    replies = iter([problem(409, "REQUEST_IN_FLIGHT")])
    platform.faults.append(lambda request: next(replies, None))
    platform.answers[PUBLISH] = [(200, {"status": "PUBLISHED"})]
    assert client.publish("01a2")["status"] == "PUBLISHED"


def test_a_conflict_is_not_repeated(platform: FakePlatform, client: Client) -> None:
    platform.answers[PUBLISH] = [problem(409, "VIDEO_NOT_READY")]
    with pytest.raises(Conflict):
        client.publish("01a2")
    assert len(platform.requests) == 1


def test_a_limit_that_lasts_long_is_not_waited_for(platform: FakePlatform, client: Client) -> None:
    platform.faults.append(lambda request: (*problem(429, "RATE_LIMITED")[:2], {"Retry-After": "3000"}))
    with pytest.raises(RateLimited) as refused:
        client.publish("01a2")
    assert refused.value.retry_after == 3000
    assert len(platform.requests) == 1


def test_a_server_that_never_answers_is_unreachable(platform: FakePlatform, client: Client) -> None:
    platform.faults.append(lambda request: "cut")
    with pytest.raises(Unreachable, match=r"No answer from http://127\.0\.0\.1"):
        client.publish("01a2")
    assert len(platform.requests) == 5


def test_a_token_that_cannot_be_renewed_is_refused_at_once(platform: FakePlatform, client: Client) -> None:
    platform.answers[PUBLISH] = [problem(401, "UNAUTHENTICATED")]
    with pytest.raises(Unauthenticated):
        client.publish("01a2")
    assert len(platform.requests) == 1


async def test_a_token_may_come_from_a_coroutine(platform: FakePlatform) -> None:
    platform.answers[PUBLISH] = [(200, {"status": "PUBLISHED"})]

    async def token() -> str:
        return "from a coroutine"

    async with AsyncClient(platform.address, token) as client:
        await client.publish("01a2", when_ready=True)
    (request,) = platform.requests
    assert request.headers["authorization"] == "Bearer from a coroutine"
    assert request.body == {"notify_followers": True, "when_ready": True}


def test_who_is_interrupted_ends_what_runs() -> None:
    thread, begun, ended, main = LoopThread(), threading.Event(), threading.Event(), threading.get_ident()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def interrupt() -> None:
        begun.wait(10)
        ended.wait(0.2)  # until the caller waits
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            thread.run(long())
        assert ended.is_set()
    finally:
        thread.close(asyncio.sleep(0))


async def endless(begun: threading.Event) -> None:
    begun.set()
    await asyncio.sleep(60)


def test_who_waits_in_another_thread_is_told_that_the_client_was_closed() -> None:
    thread, begun, said = LoopThread(), threading.Event(), list[str]()

    def wait() -> None:
        with pytest.raises(RuntimeError) as closed:
            thread.run(endless(begun))
        said.append(str(closed.value))

    waiter = threading.Thread(target=wait, daemon=True)
    waiter.start()
    assert begun.wait(10)
    thread.close(asyncio.sleep(0))
    waiter.join(10)
    assert said == ["The client is closed."]


@pytest.mark.filterwarnings("error")
def test_a_client_that_is_closed_is_not_used_again(platform: FakePlatform) -> None:
    client = Client(platform.address, "token")
    client.close()
    with pytest.raises(RuntimeError, match=r"^The client is closed\.$"):
        client.publish("01a2")


def test_a_callback_that_uses_its_own_client_is_told_so_and_does_not_wait_for_ever() -> None:
    thread = LoopThread()

    async def called() -> None:
        thread.run(asyncio.sleep(0))

    try:
        with pytest.raises(RuntimeError, match="A callback cannot use the client that calls it"):
            thread.run(called())
    finally:
        thread.close(asyncio.sleep(0))


def test_a_callback_that_leaves_the_program_ends_the_call_and_not_the_client() -> None:
    thread = LoopThread()

    async def calling() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leaving())

    async def leaving() -> None:
        raise SystemExit(3)

    try:
        with pytest.raises(SystemExit):
            thread.run(calling())
        thread.run(asyncio.sleep(0))
    finally:
        thread.close(asyncio.sleep(0))


async def test_the_synchronous_client_works_where_an_event_loop_runs(platform: FakePlatform) -> None:
    platform.answers["/v1/videos/01a2"] = [(200, {"video_id": "01a2"})]
    with Client(platform.address, "token") as client:
        assert client.video("01a2")["video_id"] == "01a2"


def test_a_client_that_is_closed_twice_is_closed(platform: FakePlatform) -> None:
    client = Client(platform.address, "token")
    client.close()
    client.close()
