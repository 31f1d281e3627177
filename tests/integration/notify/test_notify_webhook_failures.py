"""Whatever an endpoint does wrong: recorded, tried again with the same id and body, and given up as it is written."""

from uuid import UUID, uuid4

import pytest
from notify_world import apply, came_to

from chassis.clock import utc_now
from chassis.paging import START
from chassis.postgres import Pool
from services.notify.delivering import claiming, deliver_one
from services.notify.domain.turns import Turns
from services.notify.domain.webhooks import Endpoint, Error
from services.notify.fakes import FakeEndpoints, Said
from services.notify.ports import Begin
from services.notify.reads.webhooks import DeliverySeen, list_deliveries
from services.notify.usecases import webhooks
from services.notify.usecases.webhook_deliveries import way_to_webhooks
from services.notify.webhooks.sealing import Seals

URL, HOST = "https://hooks.example/", "hooks.example"
SEALS = Seals(bytes(32))
FAILURES = [
    Said(500),
    Said(301),
    Said(404),
    Said(429, retry_after=120.0),
    Error.TIMEOUT,
    Error.CONNECTION_FAILED,
    Error.TLS_FAILED,
    Error.PROTOCOL_ERROR,
    Error.NO_PUBLIC_ADDRESS,
]


@pytest.fixture
def endpoints() -> FakeEndpoints:
    return FakeEndpoints(SEALS.unseal, utc_now)


async def told(begin: Begin, owner: UUID) -> UUID:
    """An endpoint of the owner, to which one event is on its way."""
    webhook_id = uuid4()
    async with begin() as tx:
        sealed = SEALS.seal(webhook_id, bytes(32))
        await webhooks.create(tx, webhook_id, owner, Endpoint(URL, HOST, (), ""), sealed)
    await apply(begin, came_to("READY", owner=owner))
    return webhook_id


async def attempt(pool: Pool, begin: Begin, endpoints: FakeEndpoints) -> int:
    """Try what waits, as if its time had come, at a host that is given its turn; how many that was."""
    await pool.execute("UPDATE webhook_deliveries SET next_at = now() WHERE status = 'PENDING'")
    way = way_to_webhooks(begin, "test", endpoints, failing_seconds=3 * 24 * 3600.0)
    turns = Turns(in_all=10, per_host=10, per_user=10)
    claimed = await claiming(way, turns)()
    for one in claimed:
        await deliver_one(way, turns, one)
    return len(claimed)


async def delivery(pool: Pool, webhook_id: UUID, owner: UUID) -> DeliverySeen:
    [found] = await list_deliveries(pool, webhook_id, owner, START, 100)
    return found


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_a_failure_is_recorded_and_what_follows_has_the_same_id_and_body(
    pool: Pool, begin: Begin, endpoints: FakeEndpoints, failure: Said | Error
) -> None:
    owner = uuid4()
    webhook_id = await told(begin, owner)
    endpoints.said[URL] = failure
    await attempt(pool, begin, endpoints)
    failed = await delivery(pool, webhook_id, owner)
    [recorded] = failed.attempts
    error = failure.error if isinstance(failure, Said) else failure
    assert (failed.status, recorded.error_code) == ("PENDING", error)
    assert recorded.http_status == (failure.status if isinstance(failure, Said) else None)
    endpoints.said[URL] = Said(204)
    await attempt(pool, begin, endpoints)
    succeeded = await delivery(pool, webhook_id, owner)
    assert (succeeded.status, len(succeeded.attempts)) == ("DELIVERED", 2)
    assert len({(one.delivery_id, one.payload) for one in endpoints.came}) == 1


@pytest.mark.parametrize("failure", FAILURES, ids=str)
async def test_what_never_succeeds_is_given_up_after_thirteen_attempts(
    pool: Pool, begin: Begin, endpoints: FakeEndpoints, failure: Said | Error
) -> None:
    owner = uuid4()
    webhook_id = await told(begin, owner)
    endpoints.said[URL] = failure
    tried = 0
    while await attempt(pool, begin, endpoints):
        tried += 1
    assert tried == 13
    given_up = await delivery(pool, webhook_id, owner)
    assert (given_up.status, len(given_up.attempts)) == ("FAILED", 13)


async def test_how_long_an_endpoint_wants_to_be_left_alone_is_waited(
    pool: Pool, begin: Begin, endpoints: FakeEndpoints
) -> None:
    await told(begin, uuid4())
    endpoints.said[URL] = Said(429, retry_after=600.0)
    await attempt(pool, begin, endpoints)
    wait = await pool.fetchval("SELECT extract(epoch FROM next_at - now()) FROM webhook_deliveries")
    assert 590 < wait <= 600
