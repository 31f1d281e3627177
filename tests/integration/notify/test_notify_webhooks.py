"""Webhooks on real tables: events, retries, endpoints that are disabled, and processes that die while they send."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest
from notify_world import apply, came_to, inbox, published
from push_servers import Close, Hang, Reply, Seen, Server, always, http1_server
from scratch import until
from standardwebhooks.webhooks import Webhook as Verifier

from chassis.clock import utc_now
from chassis.consumer import apply_once
from chassis.events import describe
from chassis.paging import START
from chassis.postgres import Pool
from nextplay.catalog.v1.catalog_events_pb2 import VideoDeleted, VideoHidden
from nextplay.catalog.v1.video_pb2 import Video
from services.notify import maintenance
from services.notify.addresses import Rules, open_resolver, open_transport
from services.notify.consumers import HANDLERS
from services.notify.delivering import deliver
from services.notify.domain.allowances import TooOften
from services.notify.domain.turns import Rooms, Turns
from services.notify.domain.webhooks import (
    Attempt,
    Claim,
    DeliveryNotFound,
    Dispatch,
    Endpoint,
    Error,
    TooManyWebhooks,
    Webhook,
    WebhookDisabled,
    WebhookNotFound,
)
from services.notify.ports import Begin, Tx
from services.notify.reads.webhooks import DeliverySeen, list_deliveries, list_webhooks
from services.notify.repository.webhooks import IN_TURNS
from services.notify.usecases import webhook_deliveries, webhooks
from services.notify.usecases.webhook_deliveries import way_to_webhooks
from services.notify.webhooks.sealing import Seals
from services.notify.webhooks.sender import sender

LOCAL = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])
SEALS = Seals(bytes(range(32)))
SECRET = bytes([1] * 32)
ANY = Rooms(10, {}, 10, {}, 10)
THREE_DAYS = 3 * 24 * 3600.0


async def register(begin: Begin, owner: UUID, server: Server, *types: str) -> Webhook:
    return await register_url(begin, owner, f"http://127.0.0.1:{server.port}/hooks", *types)


async def register_url(begin: Begin, owner: UUID, url: str, *types: str) -> Webhook:
    webhook_id = uuid4()
    host = url.removeprefix("http://").partition("/")[0]
    async with begin() as tx:
        sealed = SEALS.seal(webhook_id, SECRET)
        return await webhooks.create(tx, webhook_id, owner, Endpoint(url, host, types, ""), sealed)


@asynccontextmanager
async def sending(begin: Begin, *, failing_seconds: float = THREE_DAYS) -> AsyncIterator[Callable[[], None]]:
    """A process that sends; what it yields wakes it."""
    wake = asyncio.Event()
    async with open_resolver() as resolve, open_transport(LOCAL, resolve) as transport:
        way = way_to_webhooks(begin, "a process", sender(transport, SEALS.unseal, utc_now), failing_seconds)
        turns = Turns(in_all=64, per_host=16, per_user=32)
        loop = asyncio.create_task(deliver(way, turns, wake=wake))
        try:
            yield wake.set
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


async def claimed(begin: Begin) -> Claim:
    """The one delivery that is due."""
    [claim], _ = await webhook_deliveries.claim(begin, "one", ANY, "")
    return claim


async def seen_again(begin: Begin, claim: Claim) -> Dispatch | None:
    """What is sent for a claim."""
    [dispatch] = await webhook_deliveries.look_again(begin, [claim])
    return dispatch


async def about_to_be_sent(begin: Begin) -> Dispatch:
    """The one delivery that is due, claimed and looked at again."""
    dispatch = await seen_again(begin, await claimed(begin))
    assert dispatch
    return dispatch


async def deliveries(pool: Pool, webhook: Webhook) -> Sequence[DeliverySeen]:
    return await list_deliveries(pool, webhook.webhook_id, webhook.user_id, START, 100)


async def until_delivered(pool: Pool, webhook: Webhook, status: str = "DELIVERED") -> Sequence[DeliverySeen]:
    """The deliveries, once each has come to this."""

    async def has_come() -> bool:
        return {delivery.status for delivery in await deliveries(pool, webhook)} == {status}

    await until(has_come)
    return await deliveries(pool, webhook)


async def until_tried(pool: Pool, webhook: Webhook, attempts: int) -> DeliverySeen:
    """The one delivery, once it was tried so often."""

    async def was_tried() -> bool:
        [delivery] = await deliveries(pool, webhook)
        return len(delivery.attempts) >= attempts

    await until(was_tried)
    [delivery] = await deliveries(pool, webhook)
    return delivery


async def make_due(pool: Pool) -> None:
    """Let the time pass until what waits is due, and until leases have ended."""
    await pool.execute("UPDATE webhook_deliveries SET next_at = now(), lease_until = now() - interval '1 second'")


def said(seen: Seen) -> dict[str, object]:
    """The body of a request whose signature is right."""
    verified: dict[str, object] = Verifier(SECRET).verify(seen.body, dict(seen.headers))
    return verified


async def test_an_owner_s_endpoint_is_told_each_event_once_and_signed(pool: Pool, begin: Begin) -> None:
    owner, video_id = uuid4(), uuid4()
    hidden = VideoHidden(
        video_id=str(video_id),
        user_id=str(owner),
        visibility=Video.Visibility.Value("private"),
        sequence=4,
        generation=1,
        title="My dog",
    )
    events = [
        came_to("READY", video_id=video_id, owner=owner),
        came_to("PROCESSING_FAILED", video_id=video_id, owner=owner),
        came_to("REJECTED_TOO_LONG", video_id=video_id, owner=owner),
        came_to("PROCESSING", video_id=video_id, owner=owner),
        published(video_id, author=owner),
        hidden,
        VideoDeleted(video_id=str(video_id), user_id=str(owner), generation=1, sequence=5, title="My dog"),
    ]
    async with http1_server(always(Reply(200, body=b"thanks"))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        for meta, event in 2 * [(describe(event), event) for event in events]:
            await apply_once(begin, "notify", meta, event, HANDLERS[type(event)])
        wake()
        told = await until_delivered(pool, webhook)
    types = ["video.ready", "video.failed", "video.rejected", "video.published", "video.hidden", "video.deleted"]
    assert sorted(str(said(seen)["type"]) for seen in server.seen) == sorted(types)
    assert {seen.headers["webhook-id"] for seen in server.seen} == {str(delivery.delivery_id) for delivery in told}
    [of_hidden] = [said(seen)["data"] for seen in server.seen if said(seen)["type"] == "video.hidden"]
    assert of_hidden == {
        "video_id": str(video_id),
        "title": "My dog",
        "status": "PUBLISHED",
        "sequence": 4,
        "generation": 1,
        "visibility": "private",
    }
    for delivery in told:
        [attempt] = delivery.attempts
        assert (attempt.http_status, attempt.error_code, attempt.reply) == (200, None, "thanks")


async def test_an_endpoint_is_told_the_types_it_asked_for_of_its_owner_s_videos(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(200))) as server:
        failures = await register(begin, owner, server, "video.failed")
        all_types = await register(begin, owner, server)
        stranger = await register(begin, uuid4(), server)
        await apply(begin, came_to("READY", owner=owner), came_to("PROCESSING_FAILED", owner=owner))
    types = [[one.event_type for one in await deliveries(pool, each)] for each in (failures, all_types, stranger)]
    assert types == [["video.failed"], ["video.failed", "video.ready"], []]


async def test_an_attempt_that_fails_is_recorded_and_made_again_with_the_same_id_and_body(
    pool: Pool, begin: Begin
) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(500, body=b"Not now."))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        wake()
        delivery = await until_tried(pool, webhook, 1)
        assert (delivery.status, delivery.attempts[0].http_status) == ("PENDING", 500)
        assert (delivery.attempts[0].error_code, delivery.attempts[0].reply) == ("HTTP_ERROR", "Not now.")
        [listed] = await list_webhooks(pool, owner)
        assert listed.failing_since is not None

        server.answer = always(Reply(200))
        await make_due(pool)
        wake()
        [delivery] = await until_delivered(pool, webhook)
    assert [attempt.http_status for attempt in delivery.attempts] == [200, 500]
    assert {seen.headers["webhook-id"] for seen in server.seen} == {str(delivery.delivery_id)}
    assert len({seen.body for seen in server.seen}) == 1
    [listed] = await list_webhooks(pool, owner)
    assert listed.failing_since is None


async def test_a_receiver_that_closes_is_tried_again(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    answers = iter([Close(), Reply(200)])
    async with http1_server(lambda seen: next(answers)) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        wake()
        await until_tried(pool, webhook, 1)
        await make_due(pool)
        wake()
        [delivery] = await until_delivered(pool, webhook)
    assert [attempt.error_code for attempt in delivery.attempts] == [None, "PROTOCOL_ERROR"]


async def test_retry_after_decides_when_it_is_tried_again(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(429, {"retry-after": "3600"}))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        wake()
        delivery = await until_tried(pool, webhook, 1)
    assert delivery.next_attempt_at is not None
    assert 3590 < (delivery.next_attempt_at - utc_now()).total_seconds() <= 3600


async def test_a_delivery_is_given_up_after_24_hours_and_can_be_sent_again(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(500))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        await pool.execute("UPDATE webhook_deliveries SET started_at = now() - interval '24 hours'")
        wake()
        [failed] = await until_delivered(pool, webhook, "FAILED")
        assert failed.ended_at is not None
        assert failed.next_attempt_at is None

        server.answer = always(Reply(200))
        async with begin() as tx:
            await webhooks.resend(tx, failed.delivery_id, webhook.webhook_id, owner)
        wake()
        [delivery] = await until_delivered(pool, webhook)
    assert [attempt.http_status for attempt in delivery.attempts] == [200, 500]
    assert [seen.headers["webhook-id"] for seen in server.seen] == [str(failed.delivery_id)] * 2


async def test_an_endpoint_that_is_gone_is_disabled_and_its_owner_is_told(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(410))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        wake()
        await until_delivered(pool, webhook, "FAILED")
        await apply(begin, came_to("READY", owner=owner))
    [listed] = await list_webhooks(pool, owner)
    assert listed.disabled_reason == "GONE"
    assert len(await deliveries(pool, webhook)) == 1
    assert [entry.kind for entry in await inbox(pool, owner) if entry.kind == "webhook_disabled"] == [
        "webhook_disabled"
    ]
    with pytest.raises(WebhookDisabled):
        async with begin() as tx:
            await webhooks.test(tx, uuid4(), webhook.webhook_id, owner, utc_now())


async def test_an_endpoint_that_is_disabled_again_is_told_again(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    gone = Attempt(utc_now(), 1, 410, Error.GONE)
    for _ in range(2):
        await apply(begin, came_to("READY", owner=owner))
        dispatch = await about_to_be_sent(begin)
        await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(dispatch, gone)])
        async with begin() as tx:
            await webhooks.replace(tx, webhook.webhook_id, owner, webhook, enabled=True)
    assert [entry.kind for entry in await inbox(pool, owner)].count("webhook_disabled") == 2


async def test_an_endpoint_that_failed_for_three_days_is_disabled_and_what_waits_for_it_is_cancelled(
    pool: Pool, begin: Begin
) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(500))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        wake()
        await until_tried(pool, webhook, 1)
        await pool.execute("UPDATE webhooks SET failing_since = now() - interval '3 days'")
        await pool.execute("UPDATE webhook_deliveries SET started_at = now() - interval '24 hours'")
        await apply(begin, came_to("READY", owner=owner))
        await make_due(pool)
        wake()

        async def is_disabled() -> bool:
            [listed] = await list_webhooks(pool, owner)
            return listed.disabled_reason == "FAILING"

        await until(is_disabled)
        assert [one.status for one in await deliveries(pool, webhook)] == ["CANCELLED", "FAILED"]
        assert "webhook_disabled" in {entry.kind for entry in await inbox(pool, owner)}

        server.answer = always(Reply(200))
        async with begin() as tx:
            enabled = await webhooks.replace(tx, webhook.webhook_id, owner, webhook, enabled=True)
        assert (enabled.disabled_reason, enabled.failing_since) == (None, None)
        await apply(begin, came_to("READY", owner=owner))
        wake()

        async def newest_is_delivered() -> bool:
            return (await deliveries(pool, webhook))[0].status == "DELIVERED"

        await until(newest_is_delivered)


async def test_a_single_failure_days_after_another_disables_nothing(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    await pool.execute("UPDATE webhooks SET failing_since = now() - interval '3 days'")
    dispatch = await about_to_be_sent(begin)
    failed = Attempt(utc_now(), 1, 500, Error.HTTP_ERROR)
    await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(dispatch, failed)])
    [listed] = await list_webhooks(pool, owner)
    assert (listed.disabled_reason, [one.status for one in await deliveries(pool, webhook)]) == (None, ["PENDING"])


async def test_disabling_cancels_what_waits(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    async with begin() as tx:
        disabled = await webhooks.replace(tx, webhook.webhook_id, owner, webhook, enabled=False)
    assert disabled.disabled_reason == "BY_OWNER"
    await apply(begin, came_to("READY", owner=owner))
    assert [one.status for one in await deliveries(pool, webhook)] == ["CANCELLED"]


async def test_who_dies_after_the_reply_sends_the_same_id_again(pool: Pool, begin: Begin) -> None:
    owner = uuid4()

    async def dies(dispatch: Dispatch, attempt: Attempt) -> None:
        raise RuntimeError

    async with (
        http1_server(always(Reply(200))) as server,
        open_resolver() as resolve,
        open_transport(LOCAL, resolve) as transport,
    ):
        webhook = await register(begin, owner, server)
        await apply(begin, came_to("READY", owner=owner))
        way = way_to_webhooks(begin, "dies", sender(transport, SEALS.unseal, utc_now), THREE_DAYS)
        turns = Turns(in_all=64, per_host=16, per_user=32)
        loop = asyncio.create_task(deliver(replace(way, write_down=dies), turns, wake=asyncio.Event()))

        async def was_sent() -> bool:
            return bool(server.seen)

        await until(was_sent)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        assert [one.status for one in await deliveries(pool, webhook)] == ["PENDING"]
        await make_due(pool)
        async with sending(begin):
            [delivery] = await until_delivered(pool, webhook)
    assert [seen.headers["webhook-id"] for seen in server.seen] == [str(delivery.delivery_id)] * 2


async def test_who_lost_its_claim_writes_nothing(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    slow = await about_to_be_sent(begin)
    await make_due(pool)
    quick = await about_to_be_sent(begin)
    await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(quick, Attempt(utc_now(), 1, 200))])
    failed = Attempt(utc_now(), 1, 500, Error.HTTP_ERROR)
    await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(slow, failed)])
    [delivery] = await deliveries(pool, webhook)
    assert (delivery.status, [attempt.http_status for attempt in delivery.attempts]) == ("DELIVERED", [200])


async def test_what_is_claimed_is_sent_as_its_endpoint_is_now_or_not_at_all(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    claim = await claimed(begin)
    before = await seen_again(begin, claim)
    assert before
    new_url = Endpoint("http://127.0.0.1:9/new", "127.0.0.1:9", [], "")
    async with begin() as tx:
        await webhooks.replace(tx, webhook.webhook_id, owner, new_url, enabled=True)
        await webhooks.rotate_secret(tx, webhook.webhook_id, owner, b"sealed")
    now = await seen_again(begin, claim)
    assert now is not None
    assert (now.url, now.secret, now.old_secret) == (new_url.url, b"sealed", before.secret)
    async with begin() as tx:
        await webhooks.replace(tx, webhook.webhook_id, owner, new_url, enabled=False)
    assert await seen_again(begin, claim) is None


async def test_what_is_on_its_way_to_an_endpoint_that_moves_is_claimed_for_its_new_host(
    pool: Pool, begin: Begin
) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://old.example/hooks")
    await apply(begin, came_to("READY", owner=owner), came_to("READY", owner=owner))
    [claim], _ = await webhook_deliveries.claim(begin, "one", Rooms(1, {}, 1, {}, 1), "")
    new_url = Endpoint("http://new.example/hooks", "new.example", [], "")
    async with begin() as tx:
        await webhooks.replace(tx, webhook.webhook_id, owner, new_url, enabled=True)
    assert await seen_again(begin, claim) is None, "it has a turn at the old host"
    assert (await claimed(begin)).host == "new.example"
    await make_due(pool)
    hosts = [one.host for one in (await webhook_deliveries.claim(begin, "one", ANY, ""))[0]]
    assert hosts == ["new.example"] * 2


async def test_what_a_url_answered_that_was_replaced_disables_nothing(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    dispatch = await about_to_be_sent(begin)
    async with begin() as tx:
        new_url = Endpoint("http://127.0.0.1:9/new", "127.0.0.1:9", [], "")
        await webhooks.replace(tx, webhook.webhook_id, owner, new_url, enabled=True)
    gone = Attempt(utc_now(), 1, 410, Error.GONE)
    await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(dispatch, gone)])
    [listed] = await list_webhooks(pool, owner)
    assert (listed.disabled_reason, listed.failing_since) == (None, None)


async def test_what_could_not_be_sent_is_no_failure_of_the_endpoint(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    not_sent = Attempt(utc_now(), 1, error=Error.NOT_SENT)
    await webhook_deliveries.write_attempts(begin, THREE_DAYS, [(await about_to_be_sent(begin), not_sent)])
    [delivery] = await deliveries(pool, webhook)
    assert (delivery.status, [attempt.error_code for attempt in delivery.attempts]) == ("PENDING", ["NOT_SENT"])
    [listed] = await list_webhooks(pool, owner)
    assert listed.failing_since is None


async def test_what_was_tried_and_not_delivered_within_a_day_is_given_up_by_the_job(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, *(came_to("READY", owner=owner) for _ in range(3)))
    never_tried, young, old = [one.delivery_id for one in await deliveries(pool, webhook)]
    for delivery_id, attempts, hours in ((never_tried, 0, 30), (young, 9, 24), (old, 9, 26)):
        await pool.execute(
            "UPDATE webhook_deliveries SET attempts = $2, started_at = now() - make_interval(hours => $3)"
            " WHERE delivery_id = $1",
            *(delivery_id, attempts, hours),
        )
    told = await maintenance.end_old_deliveries(begin, 30)
    assert told["expired_webhook_deliveries"] == 1
    assert {one.delivery_id: one.status for one in await deliveries(pool, webhook)} == {
        never_tried: "PENDING",
        young: "PENDING",
        old: "FAILED",
    }


async def test_a_host_that_hangs_holds_up_no_other(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    async with http1_server(always(Hang())) as hanging, http1_server(always(Reply(200))) as well:
        hangs = await register(begin, owner, hanging)
        async with begin() as tx:
            for _ in range(5):
                for number in range(100):
                    await tx.connection.execute(
                        "INSERT INTO webhook_deliveries"
                        " (delivery_id, webhook_id, user_id, host, event_id, event_type, payload)"
                        " SELECT id, $1, $2, $3, id, $4, '{}' FROM (SELECT gen_random_uuid() AS id)",
                        *(hangs.webhook_id, owner, hangs.host, f"test.{number}"),
                    )
        webhook = await register(begin, owner, well, "video.ready")
        await apply(begin, came_to("READY", owner=owner))
        async with sending(begin):
            await until_delivered(pool, webhook)
    assert len(hanging.seen) <= 16


async def test_a_claim_takes_no_more_of_a_host_than_there_is_room_for(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    for host in ("busy", "other", "full"):
        await register_url(begin, owner, f"http://{host}.example/")
    for _ in range(9):
        await apply(begin, came_to("READY", owner=owner))
    rooms = Rooms(100, {"busy.example": 2, "full.example": 0}, 5, {}, 100)
    claims, _ = await webhook_deliveries.claim(begin, "one", rooms, "")
    assert Counter(one.host for one in claims) == {"busy.example": 2, "other.example": 5}


async def test_a_claim_takes_no_more_of_a_user_than_there_is_room_for(pool: Pool, begin: Begin) -> None:
    busy, other, full = owners = [uuid4() for _ in range(3)]
    for owner in owners:
        for number in range(3):
            await register_url(begin, owner, f"http://{number}.example/")
        for _ in range(3):
            await apply(begin, came_to("READY", owner=owner))
    claims, _ = await webhook_deliveries.claim(begin, "one", Rooms(100, {}, 100, {busy: 2, full: 0}, 5), "")
    assert Counter(one.user_id for one in claims) == {busy: 2, other: 5}


async def test_what_waits_for_one_user_of_a_host_costs_the_claims_of_others_nothing(pool: Pool, begin: Begin) -> None:
    """Claims are the same as of devices (test_notify_turns.py): what is not due, or has no room, is not read."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE find_due AS {IN_TURNS.find_due}")
        arguments = ", ".join(["NULL"] * 12)
        rows = await connection.fetch(f"EXPLAIN EXECUTE find_due ({arguments})")
        await connection.execute("DEALLOCATE find_due")
    plan = "\n".join(row[0] for row in rows)
    assert "webhook_deliveries_pending_turn on webhook_deliveries waiting" in plan, plan
    times = [line for line in plan.splitlines() if "next_at <= now()" in line]
    assert times, plan
    assert all("Index Cond" in line for line in times), plan


async def test_what_an_instance_of_the_version_before_writes_is_claimed(pool: Pool, begin: Begin) -> None:
    """While instances are replaced: it knows neither the user nor the host of a delivery."""
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://slow.example:1/")
    delivery_id = uuid4()
    await pool.execute(
        "INSERT INTO webhook_deliveries (delivery_id, webhook_id, event_id, event_type, payload) "
        "VALUES ($1, $2, $1, 'video.ready', '{}')",
        delivery_id,
        webhook.webhook_id,
    )
    claim = await claimed(begin)
    assert (claim.delivery_id, claim.user_id, claim.host) == (delivery_id, owner, "slow.example:1")


async def test_a_user_has_ten_endpoints_also_when_many_are_registered_at_once(begin: Begin) -> None:
    owner = uuid4()
    registering = [register_url(begin, owner, "http://127.0.0.1:9/hooks") for _ in range(15)]
    ended = await asyncio.gather(*registering, return_exceptions=True)
    assert [type(one) for one in ended if isinstance(one, BaseException)] == [TooManyWebhooks] * 5


async def test_another_s_endpoint_is_not_found(pool: Pool, begin: Begin) -> None:
    owner, stranger = uuid4(), uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    [delivery] = await deliveries(pool, webhook)
    webhook_id = webhook.webhook_id
    with pytest.raises(WebhookNotFound):
        await list_deliveries(pool, webhook_id, stranger, START, 10)
    async with begin() as tx:
        for attempt in (
            webhooks.replace(tx, webhook_id, stranger, webhook, enabled=False),
            webhooks.rotate_secret(tx, webhook_id, stranger, b"theirs"),
            webhooks.find_secret(tx, webhook_id, stranger),
            webhooks.test(tx, uuid4(), webhook_id, stranger, utc_now()),
            webhooks.resend(tx, delivery.delivery_id, webhook_id, stranger),
        ):
            with pytest.raises(WebhookNotFound):
                await attempt
        with pytest.raises(DeliveryNotFound):
            await webhooks.resend(tx, uuid4(), webhook_id, owner)
    await webhooks.delete(begin, webhook_id, stranger)
    assert await deliveries(pool, webhook) == [delivery]


async def test_an_endpoint_is_deleted_with_its_deliveries_in_portions(
    pool: Pool, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "DELETED_AT_ONCE", 2)
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, *(came_to("READY", owner=owner) for _ in range(5)))
    left: list[int] = []

    @asynccontextmanager
    async def begin_and_look() -> AsyncIterator[Tx]:
        async with begin() as tx:
            yield tx
        left.append(await pool.fetchval("SELECT count(*) FROM webhook_deliveries"))

    await webhooks.delete(begin_and_look, webhook.webhook_id, owner)
    assert (left, await list_webhooks(pool, owner)) == ([3, 1, 0], [])


async def test_a_test_event_is_sent_whatever_types_were_asked_for_and_ten_times_at_once(
    pool: Pool, begin: Begin
) -> None:
    owner = uuid4()
    async with http1_server(always(Reply(200))) as server, sending(begin) as wake:
        webhook = await register(begin, owner, server, "video.failed")
        async with begin() as tx:
            for _ in range(10):
                await webhooks.test(tx, uuid4(), webhook.webhook_id, owner, utc_now())
        wake()
        assert len(await until_delivered(pool, webhook)) == 10
        with pytest.raises(TooOften):
            async with begin() as tx:
                await webhooks.test(tx, uuid4(), webhook.webhook_id, owner, utc_now())
    assert {said(seen)["type"] for seen in server.seen} == {"webhook.test"}
    assert json.loads(server.seen[0].body)["data"] == {"webhook_id": str(webhook.webhook_id)}


async def test_at_most_twenty_attempts_are_kept(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner))
    [delivery] = await deliveries(pool, webhook)
    for _ in range(3):
        await pool.execute(
            "INSERT INTO webhook_attempts (delivery_id, fence, sent_at, latency_ms, http_status)"
            " SELECT $1, n, now(), 1, n FROM (SELECT coalesce(max(fence), 0) AS last FROM webhook_attempts) AS known,"
            " LATERAL generate_series(last + 1, last + 13) AS n",
            delivery.delivery_id,
        )
        await pool.execute("UPDATE webhook_deliveries SET status = 'FAILED'")
        async with begin() as tx:
            await webhooks.resend(tx, delivery.delivery_id, webhook.webhook_id, owner)
    [delivery] = await deliveries(pool, webhook)
    assert [attempt.http_status for attempt in delivery.attempts] == list(range(39, 32, -1))


async def test_deliveries_are_deleted_with_their_attempts_after_thirty_days(pool: Pool, begin: Begin) -> None:
    owner = uuid4()
    webhook = await register_url(begin, owner, "http://127.0.0.1:9/hooks")
    await apply(begin, came_to("READY", owner=owner), came_to("READY", owner=owner))
    [newest, oldest] = await deliveries(pool, webhook)
    await pool.execute(
        "UPDATE webhook_deliveries SET created_at = now() - interval '31 days' WHERE delivery_id = $1",
        oldest.delivery_id,
    )
    assert await maintenance.delete_old_webhook_deliveries(begin, 30) == {"webhook_deliveries": 1}
    assert [one.delivery_id for one in await deliveries(pool, webhook)] == [newest.delivery_id]
