"""Webhooks through the servicer: what is asked of the DNS, and when."""

import socket
from ipaddress import ip_address
from uuid import UUID

import pytest

from chassis.clock import utc_now
from chassis.errors import InvalidArgument
from chassis.postgres import Pool
from chassis.transaction import transactions
from nextplay.notify.v1 import webhooks_service_pb2 as messages
from services.notify.addresses import Address, Rules, host_of_field
from services.notify.repository import open_store
from services.notify.servicer import webhooks as servicer
from services.notify.servicer.webhooks import Webhooks
from services.notify.webhooks.sealing import Seals

CONTEXT = None
URL = "https://hooks.example.com/nextplay"


class Names:
    """A DNS that knows `hooks.example.com` until it is told to forget it."""

    def __init__(self) -> None:
        self.known = {"hooks.example.com": ip_address("93.184.215.14")}

    async def resolve(self, name: str) -> list[Address]:
        if name not in self.known:
            raise socket.gaierror
        return [self.known[name]]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def webhooks(pool: Pool, names: Names) -> Webhooks:
    seals = Seals(bytes(32))
    begin = transactions(pool, open_store, lambda: None)
    host_of = host_of_field("url", Rules(), names.resolve)
    return Webhooks(pool, begin, host_of, seals.seal, seals.unseal, lambda: None, b"page key", utc_now)


@pytest.fixture(autouse=True)
def called_by_alice(alice: UUID) -> None:
    """Every test of this file is a user's calls."""


async def test_an_endpoint_whose_name_is_known_no_more_can_be_switched_off(webhooks: Webhooks, names: Names) -> None:
    created = (await webhooks.CreateWebhook(messages.CreateWebhookRequest(url=URL), CONTEXT)).webhook
    names.known.clear()

    def replaced(url: str, *, enabled: bool) -> messages.ReplaceWebhookRequest:
        return messages.ReplaceWebhookRequest(webhook_id=created.webhook_id, url=url, enabled=enabled)

    off = (await webhooks.ReplaceWebhook(replaced(URL, enabled=False), CONTEXT)).webhook
    assert (off.enabled, off.url) == (False, URL)
    for request in (replaced(URL, enabled=True), replaced("https://unknown.example/", enabled=False)):
        with pytest.raises(InvalidArgument):
            await webhooks.ReplaceWebhook(request, CONTEXT)


async def test_a_repeated_registration_is_answered_also_when_the_name_is_known_no_more(
    webhooks: Webhooks, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "idempotency_key", lambda: "a key")
    request = messages.CreateWebhookRequest(url=URL)
    first = await webhooks.CreateWebhook(request, CONTEXT)
    names.known.clear()
    assert await webhooks.CreateWebhook(request, CONTEXT) == first


async def test_a_url_that_was_refused_is_corrected_under_the_same_key(
    webhooks: Webhooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(servicer, "idempotency_key", lambda: "a key")
    with pytest.raises(InvalidArgument):
        await webhooks.CreateWebhook(messages.CreateWebhookRequest(url="https://hoooks.example.com/"), CONTEXT)
    created = await webhooks.CreateWebhook(messages.CreateWebhookRequest(url=URL), CONTEXT)
    assert created.webhook.url == URL
