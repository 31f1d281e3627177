"""One request to an endpoint, whatever the endpoint does: real servers on this machine."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from uuid import uuid4

import pytest
from push_servers import Close, Hang, Reply, Server, always, certificates, http1_server
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from chassis.clock import utc_now
from services.notify.addresses import Address, Resolve, Rules, open_resolver, open_transport
from services.notify.domain.webhooks import Attempt, Dispatch, Error
from services.notify.webhooks import sender as sending
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import REPLY_BYTES, sender

LOCAL = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])
SEALS = Seals(bytes(range(32)))
SECRET, OLD_SECRET = bytes([1] * 32), bytes([2] * 32)
RECEIVED = json.dumps({"type": "video.ready", "data": {"title": "“Ünïcode 🎬”"}}, ensure_ascii=False)


def dispatch(url: str, *, old_secret: bool = False) -> Dispatch:
    webhook_id = uuid4()
    return Dispatch(
        delivery_id=uuid4(),
        webhook_id=webhook_id,
        user_id=uuid4(),
        url=url,
        host="127.0.0.1",
        event_type="video.ready",
        payload=RECEIVED,
        fence=1,
        attempts=1,
        secret=SEALS.seal(webhook_id, SECRET),
        old_secret=SEALS.seal(webhook_id, OLD_SECRET) if old_secret else None,
        was_failing=False,
        age_seconds=0.0,
    )


async def send(one: Dispatch, rules: Rules = LOCAL, resolve: Resolve | None = None) -> Attempt:
    async with open_resolver() as of_system, open_transport(rules, resolve or of_system) as transport:
        return await sender(transport, SEALS.unseal, utc_now)(one)


def url_of(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/hooks"


async def test_a_receiver_verifies_the_signature_with_the_library() -> None:
    async with http1_server(always(Reply(204))) as server:
        one = dispatch(url_of(server))
        attempt = await send(one)
    assert (attempt.http_status, attempt.error, attempt.reply) == (204, None, "")
    [seen] = server.seen
    assert Verifier(SECRET).verify(seen.body, dict(seen.headers)) == json.loads(RECEIVED)
    assert seen.headers["webhook-id"] == str(one.delivery_id)
    assert seen.headers["content-type"] == "application/json"
    with pytest.raises(WebhookVerificationError):
        Verifier(OLD_SECRET).verify(seen.body, dict(seen.headers))
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(seen.body + b" ", dict(seen.headers))


async def test_while_a_secret_is_replaced_both_verify() -> None:
    async with http1_server(always(Reply(200))) as server:
        await send(dispatch(url_of(server), old_secret=True))
    [seen] = server.seen
    for secret in (SECRET, OLD_SECRET):
        Verifier(secret).verify(seen.body, dict(seen.headers))


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (200, None),
        (299, None),
        (301, Error.REDIRECT),
        (307, Error.REDIRECT),
        (400, Error.HTTP_ERROR),
        (410, Error.GONE),
        (429, Error.HTTP_ERROR),
        (500, Error.HTTP_ERROR),
        (503, Error.HTTP_ERROR),
    ],
)
async def test_a_status_is_recorded_and_redirects_are_not_followed(status: int, error: Error | None) -> None:
    async with http1_server(always(Reply(status, {"location": "/elsewhere"}, b"What it said."))) as server:
        attempt = await send(dispatch(url_of(server)))
    assert (attempt.http_status, attempt.error, attempt.reply) == (status, error, "What it said.")
    assert [seen.path for seen in server.seen] == ["/hooks"]


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [
        (429, "120", 120.0),
        (503, "120", 120.0),
        (500, "120", None),
        (429, "999999999999", 24 * 3600.0),
        (429, "-1", None),
        (429, "soon", None),
        (429, "9" * 5_000, None),
        (429, format_datetime(datetime(2000, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
    ],
)
async def test_retry_after_is_read_where_it_counts(status: int, value: str, seconds: float | None) -> None:
    async with http1_server(always(Reply(status, {"retry-after": value}))) as server:
        assert (await send(dispatch(url_of(server)))).retry_after == seconds


async def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    async with http1_server(always(Reply(503, {"retry-after": later}))) as server:
        asked = (await send(dispatch(url_of(server)))).retry_after
    assert asked is not None
    assert 500 < asked <= 600


async def test_a_reply_without_end_is_read_to_its_first_kilobyte() -> None:
    async with http1_server(always(Reply(200, endless=True))) as server:
        attempt = await send(dispatch(url_of(server)))
        assert (attempt.error, attempt.reply) == (None, "x" * REPLY_BYTES)
    # What the kernels' buffers of both ends hold, and nothing near 10 GB.
    assert server.sent_bytes < 64 * 1024 * 1024


async def test_a_reply_without_end_over_tls_is_left_too(tmp_path: Path) -> None:
    of_server, trusting = certificates(tmp_path)
    async with (
        http1_server(always(Reply(200, endless=True)), tls=of_server) as server,
        open_resolver() as resolve,
        open_transport(LOCAL, resolve, tls=trusting) as transport,
    ):
        attempt = await sender(transport, SEALS.unseal, utc_now)(dispatch(f"https://127.0.0.1:{server.port}/"))
    assert (attempt.error, attempt.reply) == (None, "x" * REPLY_BYTES)


async def test_no_cookie_is_kept_for_the_next_call_to_a_host() -> None:
    async with (
        http1_server(always(Reply(200, {"set-cookie": "user=one; Path=/"}))) as server,
        open_resolver() as resolve,
        open_transport(LOCAL, resolve) as transport,
    ):
        for _ in range(2):
            await sender(transport, SEALS.unseal, utc_now)(dispatch(url_of(server)))
    assert ["cookie" in seen.headers for seen in server.seen] == [False, False]


@pytest.mark.parametrize("location", ["http://[", "javascript:alert(1)", "//elsewhere.example/", "http://10.0.0.1/"])
async def test_wherever_a_redirect_leads_it_is_not_followed(location: str) -> None:
    async with http1_server(always(Reply(302, {"location": location}))) as server:
        attempt = await send(dispatch(url_of(server)))
    assert (attempt.http_status, attempt.error) == (302, Error.REDIRECT)
    assert len(server.seen) == 1


async def test_a_reply_is_stored_as_text_that_can_be_shown() -> None:
    async with http1_server(always(Reply(500, body=b"a\x00b\xff\n\x1b[31m\xe2\x80\xae"))) as server:
        assert (await send(dispatch(url_of(server)))).reply == "a\ufffdb\ufffd\n\ufffd[31m\ufffd"


async def test_who_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TOTAL_SECONDS", 0.3)
    async with http1_server(always(Hang())) as server:
        attempt = await send(dispatch(url_of(server)))
    assert (attempt.http_status, attempt.error) == (None, Error.TIMEOUT)
    assert attempt.latency_ms >= 300


async def test_who_answers_and_then_hangs_has_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "REPLY_SECONDS", 0.2)
    half = Reply(200, {"transfer-encoding": "chunked"}, b"4\r\nhalf\r\n")
    async with http1_server(always(half)) as server:
        attempt = await send(dispatch(url_of(server)))
    assert (attempt.http_status, attempt.error, attempt.reply) == (200, None, "half")


async def test_who_closes_or_is_not_there_is_told_apart_from_who_answers() -> None:
    async with http1_server(always(Close())) as server:
        assert (await send(dispatch(url_of(server)))).error is Error.PROTOCOL_ERROR
        closed = url_of(server)
    assert (await send(dispatch(closed))).error is Error.CONNECTION_FAILED


async def test_what_can_not_be_signed_is_an_attempt_that_failed() -> None:
    other_key = Seals(bytes(32))
    async with (
        http1_server(always(Reply(200))) as server,
        open_resolver() as resolve,
        open_transport(LOCAL, resolve) as transport,
    ):
        attempt = await sender(transport, other_key.unseal, utc_now)(dispatch(url_of(server)))
    assert (attempt.http_status, attempt.error) == (None, Error.NOT_SENT)
    assert server.seen == []


@pytest.mark.parametrize(
    ("attempts", "hours", "error"), [(2, 26, Error.NOT_SENT), (2, 24.5, None), (1, 26, None), (13, 1, None)]
)
async def test_a_retry_long_after_the_24_hours_is_not_sent(attempts: int, hours: float, error: Error | None) -> None:
    async with http1_server(always(Reply(200))) as server:
        one = replace(dispatch(url_of(server)), attempts=attempts, age_seconds=hours * 3600)
        attempt = await send(one)
    assert (attempt.error, len(server.seen)) == (error, 0 if error else 1)


async def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    of_server, _ = certificates(tmp_path)
    async with http1_server(always(Reply(200)), tls=of_server) as server:
        attempt = await send(dispatch(f"https://127.0.0.1:{server.port}/"))
        assert (attempt.http_status, attempt.error) == (None, Error.TLS_FAILED)
    assert server.seen == []


async def test_a_certificate_is_of_the_name_though_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    async def resolve(name: str) -> Sequence[Address]:
        return [ip_address("127.0.0.1")]

    of_server, trusting = certificates(tmp_path, "hooks.example")
    async with (
        http1_server(always(Reply(200)), tls=of_server) as server,
        open_transport(LOCAL, resolve, tls=trusting) as transport,
    ):
        attempts = [
            await sender(transport, SEALS.unseal, utc_now)(dispatch(f"https://{name}:{server.port}/"))
            for name in ("hooks.example", "other.example")
        ]
    assert [attempt.error for attempt in attempts] == [None, Error.TLS_FAILED]


async def test_an_address_inside_and_an_unknown_name_are_not_called_and_not_told_apart() -> None:
    async def nobody(name: str) -> Sequence[Address]:
        raise OSError

    async with http1_server(always(Reply(200))) as server:
        inside = await send(dispatch(url_of(server)), Rules(allow_http=True))
        unknown = await send(dispatch("http://unknown.example/"), LOCAL, nobody)
    assert (inside.error, unknown.error) == (Error.NO_PUBLIC_ADDRESS, Error.NO_PUBLIC_ADDRESS)
    assert server.seen == []
