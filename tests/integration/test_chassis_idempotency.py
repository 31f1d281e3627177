"""Idempotency keys on the real database."""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from scratch import make_event_type, until

from chassis import idempotency
from chassis.errors import FieldViolation, InvalidArgument
from chassis.idempotency import (
    IdempotencyMismatch,
    Replay,
    RequestInFlight,
    Reserved,
    delete_expired_keys,
    reserve,
    store_reply,
)
from chassis.postgres import Pool, acquire

Request: Any = make_event_type("test.requests.v1", name="Request")
Reply: Any = make_event_type("test.replies.v1", name="Reply")
ALICE, BOB = uuid.uuid4(), uuid.uuid4()


class Command:
    """Does something once per key, and counts; `fail` makes it raise before the reply is stored."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.carried_out: list[Mapping[str, UUID]] = []
        self.attempts: list[int] = []

    async def __call__(
        self,
        *,
        key: str | None = "key",
        user: UUID = ALICE,
        method: str = "Initiate",
        title: str = "clip",
        fail: BaseException | None = None,
        go_on: asyncio.Event | None = None,
    ) -> str:
        async with reserve(
            self.pool,
            key=key,
            user_id=user,
            method=method,
            request=Request(thing_id=title),
            reply_type=Reply,
            ids={"upload_id": uuid.uuid4()},
        ) as outcome:
            if isinstance(outcome, Replay):
                return str(outcome.reply.thing_id)
            self.carried_out.append(outcome.ids)
            self.attempts.append(outcome.attempt)
            if go_on:
                await go_on.wait()
            if fail:
                raise fail
            reply = str(outcome.ids["upload_id"])
            async with acquire(self.pool) as connection:
                await store_reply(connection, outcome, Reply(thing_id=reply))
            return reply


@pytest.fixture
def command(pool: Pool) -> Command:
    return Command(pool)


async def test_the_same_request_again_gets_the_same_reply_and_has_no_second_effect(command: Command) -> None:
    first = await command()
    assert [await command(), await command()] == [first, first]
    assert len(command.carried_out) == 1


async def test_another_body_with_the_key_is_refused(command: Command) -> None:
    await command(title="clip")
    with pytest.raises(IdempotencyMismatch):
        await command(title="other clip")


async def test_keys_of_other_users_and_methods_are_other_keys(command: Command) -> None:
    replies = {await command(), await command(user=BOB), await command(method="Complete"), await command(key="other")}
    assert len(replies) == 4


async def test_without_a_key_every_request_is_carried_out(command: Command) -> None:
    assert await command(key=None) != await command(key=None)
    assert await command.pool.fetchval("SELECT count(*) FROM idempotency_keys") == 0


async def test_a_request_in_flight_refuses_its_repetition_and_tells_when_to_come_back(command: Command) -> None:
    go_on = asyncio.Event()
    first = asyncio.create_task(command(go_on=go_on))

    async def begun() -> object:
        return command.carried_out

    await until(begun)
    with pytest.raises(RequestInFlight) as raised:
        await command()
    assert raised.value.retry_after
    assert 1 <= raised.value.retry_after <= idempotency.LEASE_SECONDS
    go_on.set()
    reply = await first
    assert await command() == reply


async def test_of_many_at_once_one_is_carried_out(command: Command) -> None:
    results = await asyncio.gather(*(command() for _ in range(10)), return_exceptions=True)
    assert len(command.carried_out) == 1
    assert {type(result) for result in results} <= {str, RequestInFlight}


@pytest.mark.parametrize("failure", [LookupError("no"), asyncio.CancelledError()], ids=["raised", "cancelled"])
async def test_a_command_that_failed_is_repeated_at_once_with_the_same_ids(
    command: Command, failure: BaseException
) -> None:
    with pytest.raises(type(failure)):
        await command(fail=failure)
    reply = await command()
    assert command.carried_out[0] == command.carried_out[1]
    assert command.attempts == [1, 2]
    assert reply == str(command.carried_out[0]["upload_id"])


async def test_a_request_that_was_refused_leaves_its_key_to_the_corrected_one(command: Command) -> None:
    wrong = InvalidArgument(fields=[FieldViolation("title", "must be shorter")])
    with pytest.raises(InvalidArgument):
        await command(title="too long", fail=wrong)
    reply = await command(title="corrected")
    assert await command(title="corrected") == reply
    assert command.attempts == [1, 1]
    with pytest.raises(IdempotencyMismatch):
        await command(title="too long")


async def test_a_refusal_after_a_try_that_may_have_begun_keeps_the_key(command: Command) -> None:
    with pytest.raises(LookupError):
        await command(fail=LookupError("no"))
    with pytest.raises(InvalidArgument):
        await command(fail=InvalidArgument(fields=[]))
    with pytest.raises(IdempotencyMismatch):
        await command(title="corrected")


async def test_a_crashed_command_is_taken_over_with_the_same_ids_when_its_lease_ends(
    pool: Pool, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "LEASE_SECONDS", 0.3)
    crashed: Any = reserve(
        pool,
        key="key",
        user_id=ALICE,
        method="Initiate",
        request=Request(thing_id="clip"),
        reply_type=Reply,
        ids={"upload_id": uuid.uuid4()},
    )
    reserved: Reserved = await crashed.gen.__anext__()

    async def taken_over() -> bool:
        try:
            return bool(await command())
        except RequestInFlight:
            return False

    await until(taken_over)
    assert command.carried_out == [reserved.ids]
    assert command.attempts == [2]

    # The first try was only slow: what it says now no longer matters.
    async with acquire(pool) as connection:
        await store_reply(connection, reserved, Reply(thing_id="late"))
    assert await command() == str(reserved.ids["upload_id"])
    with pytest.raises(LookupError):
        await crashed.gen.athrow(LookupError())
    assert await command() == str(reserved.ids["upload_id"])


async def test_a_key_is_new_again_after_a_day(pool: Pool, command: Command) -> None:
    first = await command()
    await pool.execute("UPDATE idempotency_keys SET created_at = created_at - interval '23 hours 59 minutes'")
    assert await command() == first
    await pool.execute("UPDATE idempotency_keys SET created_at = created_at - interval '2 minutes'")
    assert await command(title="other clip") != first
    assert command.attempts == [1, 1]


async def test_the_job_deletes_expired_keys_alone(pool: Pool, command: Command) -> None:
    await command(key="old")
    await pool.execute("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")
    reply = await command(key="young")
    assert await delete_expired_keys(pool) == 1
    assert await delete_expired_keys(pool) == 0
    assert await command(key="young") == reply


@pytest.mark.parametrize(("key", "others"), [("", 0), ("x" * 256, 0), ("schlüssel", 1), ("a\nb\x7f", 2)])
async def test_a_malformed_key_is_refused_with_what_is_wrong_and_the_limit(
    command: Command, key: str, others: int
) -> None:
    with pytest.raises(InvalidArgument) as raised:
        await command(key=key)
    (violation,) = raised.value.fields
    assert violation.field == "Idempotency-Key"
    assert violation.message == (
        f"must be 1 to 255 printable ASCII characters, has {len(key)}, {others} of another kind"
    )
