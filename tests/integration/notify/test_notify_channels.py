"""What all channels have in common, towards servers that speak as the vendors do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from push_receivers import Vendored, a_message, a_push, apns, fcm, web_push
from push_servers import Close, Hang, Reply

from services.notify.channels import asking
from services.notify.domain.delivery import Delivered, Gone, Refused, Retry

VENDORS = {"web_push": web_push, "fcm": fcm, "apns": apns}


@pytest.fixture(params=VENDORS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Vendored]:
    async with VENDORS[request.param](tmp_path) as opened:
        yield opened
        assert opened.mistakes == []


async def test_a_message_arrives_as_it_was_written(world: Vendored) -> None:
    message = a_message("Video ready!", "“Ünïcode 🎬” is ready to publish.")
    assert await world.channel.deliver(a_push(world.address, message)) == Delivered()
    [copy] = world.copies
    assert (copy.title, copy.body) == (message.title, message.body)
    assert (copy.kind, copy.notification_id) == (message.kind, str(message.notification_id))


async def test_what_is_sent_twice_has_one_collapse_key_and_other_messages_have_others(world: Vendored) -> None:
    message = a_message()
    for sent in (message, message, a_message()):
        await world.channel.deliver(a_push(world.address, sent))
    first, second, other = [copy.collapse_key for copy in world.copies]
    assert first == second != other


async def test_a_text_that_is_too_long_is_cut_to_what_the_vendor_takes(world: Vendored) -> None:
    message = a_message("🎬" * 1_000, "👩‍👩‍👧‍👦" * 1_000)
    assert await world.channel.deliver(a_push(world.address, message)) == Delivered()
    [copy] = world.copies
    assert copy.title.endswith("…")
    assert copy.body.endswith("…")


async def test_a_device_that_the_vendor_does_not_know_is_gone(world: Vendored) -> None:
    world.behaviour = world.says["gone"]
    assert isinstance(await world.channel.deliver(a_push(world.address)), Gone)


async def test_too_many_requests_are_tried_again_when_the_vendor_says(world: Vendored) -> None:
    world.behaviour = world.says["too_many"]
    outcome = await world.channel.deliver(a_push(world.address))
    assert isinstance(outcome, Retry)
    assert (outcome.after, outcome.host_failed) == (120.0, True)


@pytest.mark.parametrize("behaviour", [None, Reply(500), Reply(502, {}, b"<html>"), Reply(504, {}, b"[]")], ids=repr)
async def test_a_vendor_that_is_down_is_tried_again(world: Vendored, behaviour: Reply | None) -> None:
    world.behaviour = behaviour or world.says["down"]
    outcome = await world.channel.deliver(a_push(world.address))
    assert isinstance(outcome, Retry)
    assert outcome.host_failed


async def test_what_the_vendor_will_never_take_is_given_up(world: Vendored) -> None:
    world.behaviour = world.says["invalid"]
    assert isinstance(await world.channel.deliver(a_push(world.address)), Refused)


async def test_a_redirect_is_not_followed(world: Vendored) -> None:
    world.behaviour = Reply(301, {"location": f"http://127.0.0.1:{world.server.port}/elsewhere"})
    assert await world.channel.deliver(a_push(world.address)) == Refused("HTTP_301")
    assert not [seen for seen in world.server.seen if seen.path == "/elsewhere"]


async def test_a_vendor_that_hangs_costs_no_more_than_the_deadline(
    world: Vendored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.5)
    world.behaviour = Hang()
    async with asyncio.timeout(10):
        assert await world.channel.deliver(a_push(world.address)) == Retry("TIMEOUT", host_failed=True)
    world.behaviour = Reply()
    assert await world.channel.deliver(a_push(world.address)) == Delivered()


async def test_a_vendor_that_closes_is_tried_again(world: Vendored) -> None:
    world.behaviour = Close()
    outcome = await world.channel.deliver(a_push(world.address))
    assert outcome == Retry("CONNECTION_FAILED", host_failed=True)
    world.behaviour = Reply()
    assert await world.channel.deliver(a_push(world.address)) == Delivered()


async def test_an_answer_without_end_is_read_to_its_beginning_alone(
    world: Vendored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 5.0)
    world.behaviour = Reply(200, endless=True)
    async with asyncio.timeout(4):
        assert await world.channel.deliver(a_push(world.address)) == Delivered()
    assert world.server.sent_bytes < 32 * 1024 * 1024
