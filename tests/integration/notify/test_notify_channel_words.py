"""What each vendor says in words of its own, and the tokens by which it knows us."""

import json
import time
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from push_receivers import LOCAL, Google, Vendored, a_push, apns, apns_error, fcm, fcm_error, web_push
from push_servers import Close, Reply, certificates, http1_server

from services.notify.addresses import Rules, open_client, open_resolver
from services.notify.channels.apns import Apns, ProviderToken, provider_key
from services.notify.channels.fcm import Fcm, service_account
from services.notify.channels.web_push import Vapid, WebPush, vapid
from services.notify.domain.delivery import Delivered, Gone, Outcome, Refused, Retry
from services.notify.domain.device import Address, Vendor

KEY = ec.generate_private_key(ec.SECP256R1())
UNCOUNTABLE = "Mon, 1 Jan -0000 00:00:00 " + "9" * 30
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
async def google(tmp_path: Path) -> AsyncIterator[Google]:
    async with fcm(tmp_path) as world:
        yield world


@pytest.fixture
async def apple(tmp_path: Path) -> AsyncIterator[Vendored]:
    async with apns(tmp_path) as world:
        yield world


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Vendored]:
    async with web_push(tmp_path) as world:
        yield world


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(201), Delivered()),
        (Reply(202), Delivered()),
        (Reply(404), Gone("HTTP_404")),
        (Reply(410), Gone("HTTP_410")),
        (Reply(400), Refused("HTTP_400")),
        (Reply(403), Refused("HTTP_403")),
        (Reply(429, {"retry-after": "7"}), Retry("HTTP_429", 7.0, host_failed=True)),
        (Reply(429, {"retry-after": "never"}), Retry("HTTP_429", None, host_failed=True)),
        (Reply(503, {"retry-after": "99999999999999999999"}), Retry("HTTP_503", 86_400.0, host_failed=True)),
        (Reply(503, {"retry-after": formatdate(0)}), Retry("HTTP_503", 0.0, host_failed=True)),
        (Reply(503, {"retry-after": UNCOUNTABLE}), Retry("HTTP_503", None, host_failed=True)),
    ],
    ids=repr,
)
async def test_what_push_services_say(browser: Vendored, reply: Reply, outcome: Outcome) -> None:
    browser.behaviour = reply
    assert await browser.channel.deliver(a_push(browser.address)) == outcome


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (fcm_error(404, "NOT_FOUND", "UNREGISTERED"), Gone("UNREGISTERED")),
        (fcm_error(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), Gone("SENDER_ID_MISMATCH")),
        (fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Retry("QUOTA_EXCEEDED", host_failed=True)),
        (fcm_error(503, "UNAVAILABLE", "UNAVAILABLE"), Retry("UNAVAILABLE", host_failed=True)),
        (fcm_error(500, "INTERNAL", "INTERNAL"), Retry("INTERNAL", host_failed=True)),
        (fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"), Refused("INVALID_ARGUMENT")),
        (fcm_error(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), Refused("THIRD_PARTY_AUTH_ERROR")),
        (fcm_error(429, "RESOURCE_EXHAUSTED", None), Retry("HTTP_429", host_failed=True)),
        (fcm_error(400, "WITH A TOKEN IN IT", None), Refused("HTTP_400")),
        (Reply(400, {}, b'{"error": "text"}'), Refused("HTTP_400")),
        (Reply(400, {}, b'{"error": {"details": [1], "status": []}}'), Refused("HTTP_400")),
    ],
    ids=repr,
)
async def test_what_fcm_says(google: Google, reply: Reply, outcome: Outcome) -> None:
    google.behaviour = reply
    assert await google.channel.deliver(a_push(google.address)) == outcome


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (apns_error(410, "Unregistered"), Gone("Unregistered")),
        (apns_error(400, "BadDeviceToken"), Gone("BadDeviceToken")),
        (apns_error(400, "DeviceTokenNotForTopic"), Gone("DeviceTokenNotForTopic")),
        (apns_error(429, "TooManyRequests"), Retry("TooManyRequests", host_failed=True)),
        (apns_error(500, "InternalServerError"), Retry("InternalServerError", host_failed=True)),
        (apns_error(503, "Shutdown"), Retry("Shutdown", host_failed=True)),
        (apns_error(403, "InvalidProviderToken"), Retry("InvalidProviderToken", host_failed=True)),
        (apns_error(413, "PayloadTooLarge"), Refused("PayloadTooLarge")),
        (apns_error(400, "WITH A TOKEN IN IT"), Refused("HTTP_400")),
        (Reply(400, {}, b'{"reason": ["no word"]}'), Refused("HTTP_400")),
    ],
    ids=repr,
)
async def test_what_apns_says(apple: Vendored, reply: Reply, outcome: Outcome) -> None:
    apple.behaviour = reply
    assert await apple.channel.deliver(a_push(apple.address)) == outcome


async def test_one_access_token_serves_many_messages(google: Google) -> None:
    for _ in range(3):
        assert await google.channel.deliver(a_push(google.address)) == Delivered()
    assert google.granted == 1


async def test_an_access_token_that_is_refused_is_fetched_anew(google: Google) -> None:
    await google.channel.deliver(a_push(google.address))
    google.behaviour = fcm_error(401, "UNAUTHENTICATED", None)
    assert isinstance(await google.channel.deliver(a_push(google.address)), Retry)
    google.behaviour = Reply()
    assert await google.channel.deliver(a_push(google.address)) == Delivered()
    assert google.granted == 2


@pytest.mark.parametrize(
    "grants",
    [Reply(500), Reply(400, {}, b'{"error": "invalid_grant"}'), Reply(200, {}, b"{}"), Reply(200, {}, b"{"), Close()],
    ids=repr,
)
async def test_without_an_access_token_nothing_is_sent_and_all_is_tried_again(
    google: Google, grants: Reply | Close
) -> None:
    google.grants = grants
    outcome = await google.channel.deliver(a_push(google.address))
    assert outcome == Retry("NO_ACCESS_TOKEN", host_failed=True)
    assert google.copies == []


async def test_an_expired_provider_token_is_made_anew_at_once(apple: Vendored) -> None:
    answers = [apns_error(403, "ExpiredProviderToken"), Reply()]
    take = apple.server.answer

    def answer(seen: object) -> object:
        apple.behaviour = answers.pop(0)
        return take(seen)  # type: ignore[arg-type]

    apple.server.answer = answer  # type: ignore[assignment]
    assert await apple.channel.deliver(a_push(apple.address)) == Delivered()
    assert answers == []


async def test_apns_messages_share_one_connection(apple: Vendored) -> None:
    for _ in range(5):
        await apple.channel.deliver(a_push(apple.address))
    assert {seen.connection for seen in apple.server.seen} == {1}


def test_a_provider_token_is_made_anew_before_apple_refuses_it() -> None:
    now = [time.time()]
    key = provider_key(PEM, "KEY1234567", "TEAM123456", "example.nextplay")
    token = ProviderToken(key, lambda: now[0])
    first = token.get()
    now[0] += 20 * 60 - 1
    assert token.get() == first
    now[0] += 40 * 60
    second = token.get()
    assert second != first
    ages = [jwt.decode(made, options={"verify_signature": False})["iat"] for made in (first, second)]
    assert ages[1] - ages[0] > 3_500


async def test_a_push_service_without_a_valid_certificate_is_not_told_anything(
    browser: Vendored, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    others.mkdir()
    untrusted, _ = certificates(others)
    _, trusts_another = certificates(tmp_path)
    async with (
        http1_server(lambda seen: Reply(), untrusted) as server,
        open_resolver() as resolve,
        open_client(LOCAL, resolve, tls=trusts_another) as client,
    ):
        address = Address(Vendor.WEB_PUSH, f"https://127.0.0.1:{server.port}/", "127.0.0.1", browser.address.keys)
        channel = WebPush(client, Vapid(KEY, "mailto:ops@nextplay.example"))
        assert await channel.deliver(a_push(address)) == Retry("TLS_FAILED", host_failed=True)
        assert server.seen == []


async def test_fcm_and_apns_without_a_valid_certificate_are_not_told_anything(
    google: Google, apple: Vendored, tmp_path: Path
) -> None:
    untrusted, _ = certificates(tmp_path)
    async with http1_server(lambda seen: Reply(), untrusted) as server, httpx.AsyncClient(trust_env=False) as client:
        url = f"https://127.0.0.1:{server.port}"
        account = json.loads(google.settings["NEXTPLAY_NOTIFY_FCM_SERVICE_ACCOUNT"])
        of_apns = [
            apple.settings[f"NEXTPLAY_NOTIFY_APNS_{name}"] for name in ("PRIVATE_KEY", "KEY_ID", "TEAM_ID", "TOPIC")
        ]
        without_token = service_account(json.dumps(account | {"token_uri": f"{url}/token"}))
        outcomes = [
            await channel.deliver(a_push(address))
            for channel, address in (
                (Fcm(client, service_account(json.dumps(account)), url), google.address),
                (Fcm(client, without_token, url), google.address),
                (Apns(client, provider_key(*of_apns), url), apple.address),
            )
        ]
        assert server.seen == []
    refused = Retry("TLS_FAILED", host_failed=True)
    assert outcomes == [refused, Retry("NO_ACCESS_TOKEN", host_failed=True), refused]


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("https://127.0.0.1/push", Refused("ADDRESS_REFUSED")),
        ("https://[::ffff:127.0.0.1]/push", Refused("ADDRESS_REFUSED")),
        ("https://169.254.169.254/push", Refused("ADDRESS_REFUSED")),
        ("https://localhost/push", Refused("ADDRESS_REFUSED")),
        ("https://no-such-host.invalid/push", Retry("NO_ADDRESS", host_failed=True)),
    ],
)
async def test_an_endpoint_that_leads_inside_by_now_is_not_called(
    browser: Vendored, url: str, outcome: Outcome
) -> None:
    address = Address(Vendor.WEB_PUSH, url, "host", browser.address.keys)
    async with open_resolver() as resolve, open_client(Rules(), resolve) as client:
        channel = WebPush(client, Vapid(KEY, "mailto:ops@nextplay.example"))
        assert await channel.deliver(a_push(address)) == outcome


def test_keys_that_are_none_are_refused_without_being_told() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        vapid("c2hvcnQ", "mailto:a@example.com")
    with pytest.raises(ValueError, match="service account") as told:
        service_account('{"project_id": "p", "client_email": "e", "token_uri": "u", "private_key": "secret"}')
    assert "secret" not in str(told.value)
    with pytest.raises(ValueError, match=r"PEM|key"):
        provider_key("no key", "k", "t", "b")
