"""The promises of the port that sends webhooks, kept by the real sender and by the fake alike."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from push_servers import Behaviour, Close, Hang, Reply, Server, certificates, http1_server

from chassis.clock import utc_now
from services.notify.addresses import Rules, open_resolver, open_transport
from services.notify.domain.webhooks import Dispatch, Error
from services.notify.fakes import FakeEndpoints, Said
from services.notify.ports.webhooks import Send
from services.notify.webhooks import sender as sending
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

LOCAL = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])
SEALS = Seals(bytes(range(32)))


class Endpoint(Protocol):
    """An endpoint that does as a test tells, and how it is sent to."""

    send: Send
    url: str

    @abstractmethod
    def does(self, what: Said | Error) -> None:
        """Answer so from now on, or fail in this way."""

    @abstractmethod
    def came(self) -> list[tuple[str, str]]:
        """Id and body of what arrived."""


@dataclass
class Fake:
    send: FakeEndpoints = field(default_factory=lambda: FakeEndpoints(SEALS.unseal, utc_now))
    url: str = "https://hooks.example/"

    def does(self, what: Said | Error) -> None:
        self.send.said = {} if what is Error.NO_PUBLIC_ADDRESS else {self.url: what}

    def came(self) -> list[tuple[str, str]]:
        return [(str(one.delivery_id), one.payload) for one in self.send.came]


@dataclass
class Real:
    send: Send
    plain: Server
    untrusted: Server
    url: str = ""
    behaviour: Behaviour = field(default_factory=Reply)

    def does(self, what: Said | Error) -> None:
        self.url = f"http://127.0.0.1:{self.plain.port}/hooks"
        match what:
            case Said(status, reply, retry_after):
                headers = {} if retry_after is None else {"retry-after": f"{retry_after:.0f}"}
                self.behaviour = Reply(status, headers, reply.encode())
            case Error.TIMEOUT:
                self.behaviour = Hang()
            case Error.PROTOCOL_ERROR:
                self.behaviour = Close()
            case Error.TLS_FAILED:
                self.url = f"https://127.0.0.1:{self.untrusted.port}/"
            case Error.CONNECTION_FAILED:
                self.url = "http://127.0.0.1:1/"
            case Error.NO_PUBLIC_ADDRESS:
                self.url = "http://10.0.0.1/"
            case _:
                raise NotImplementedError(what)

    def came(self) -> list[tuple[str, str]]:
        return [(seen.headers["webhook-id"], seen.body.decode()) for seen in self.plain.seen + self.untrusted.seen]


@asynccontextmanager
async def real_endpoint(directory: Path) -> AsyncIterator[Real]:
    of_server, _ = certificates(directory)
    async with (
        http1_server(lambda seen: endpoint.behaviour) as plain,
        http1_server(lambda seen: endpoint.behaviour, of_server) as untrusted,
        open_resolver() as resolve,
        open_transport(LOCAL, resolve) as transport,
    ):
        endpoint = Real(sender(transport, SEALS.unseal, utc_now), plain, untrusted)
        yield endpoint


@pytest.fixture(params=["fake", "real"])
async def endpoint(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Endpoint]:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 1.0)
    if request.param == "fake":
        yield Fake()
        return
    async with real_endpoint(tmp_path) as real:
        yield real


def dispatch(url: str) -> Dispatch:
    webhook_id = uuid4()
    return Dispatch(
        delivery_id=uuid4(),
        webhook_id=webhook_id,
        user_id=uuid4(),
        url=url,
        host="hooks.example",
        event_type="video.ready",
        payload='{"type":"video.ready"}',
        fence=1,
        attempts=1,
        secret=SEALS.seal(webhook_id, bytes(32)),
        old_secret=None,
        was_failing=False,
        age_seconds=0.0,
    )


@pytest.mark.parametrize("status", [200, 204, 299])
async def test_any_2xx_is_a_success(endpoint: Endpoint, status: int) -> None:
    endpoint.does(Said(status, "thanks" if status != 204 else ""))
    one = dispatch(endpoint.url)
    attempt = await endpoint.send(one)
    assert (attempt.http_status, attempt.error) == (status, None)
    assert endpoint.came() == [(str(one.delivery_id), one.payload)]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Error.REDIRECT),
        (308, Error.REDIRECT),
        (400, Error.HTTP_ERROR),
        (404, Error.HTTP_ERROR),
        (410, Error.GONE),
        (429, Error.HTTP_ERROR),
        (500, Error.HTTP_ERROR),
    ],
)
async def test_any_other_status_is_told_with_the_reply(endpoint: Endpoint, status: int, error: Error) -> None:
    endpoint.does(Said(status, "What it said."))
    attempt = await endpoint.send(dispatch(endpoint.url))
    assert (attempt.http_status, attempt.error, attempt.reply) == (status, error, "What it said.")
    assert len(endpoint.came()) == 1


async def test_of_a_reply_the_first_kilobyte_is_kept(endpoint: Endpoint) -> None:
    endpoint.does(Said(200, "x" * 5_000))
    assert (await endpoint.send(dispatch(endpoint.url))).reply == "x" * 1_024


async def test_how_long_it_wants_to_be_left_alone_is_told(endpoint: Endpoint) -> None:
    endpoint.does(Said(429, retry_after=120.0))
    assert (await endpoint.send(dispatch(endpoint.url))).retry_after == 120.0


@pytest.mark.parametrize(
    ("error", "arrives"),
    [
        (Error.TIMEOUT, True),
        (Error.PROTOCOL_ERROR, True),
        (Error.CONNECTION_FAILED, False),
        (Error.TLS_FAILED, False),
        (Error.NO_PUBLIC_ADDRESS, False),
    ],
)
async def test_who_does_not_answer_is_told_by_how(endpoint: Endpoint, error: Error, arrives: bool) -> None:
    endpoint.does(error)
    async with asyncio.timeout(10):
        attempt = await endpoint.send(dispatch(endpoint.url))
    assert (attempt.http_status, attempt.error, attempt.reply, attempt.retry_after) == (None, error, "", None)
    assert len(endpoint.came()) == arrives


async def test_what_cannot_be_signed_or_is_too_late_is_not_sent(endpoint: Endpoint) -> None:
    endpoint.does(Said(200))
    one = dispatch(endpoint.url)
    unreadable = replace(one, secret=SEALS.seal(uuid4(), bytes(32)))
    too_late = replace(one, attempts=2, age_seconds=26 * 3600.0)
    for refused in (unreadable, too_late, replace(one, old_secret=b"unreadable")):
        attempt = await endpoint.send(refused)
        assert (attempt.http_status, attempt.error) == (None, Error.NOT_SENT)
    assert endpoint.came() == []
