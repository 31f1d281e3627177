"""How much goes to a host and for a user at once, and when a host that fails is called again."""

from uuid import UUID, uuid4

import pytest

from services.notify.domain.turns import FORGOTTEN_SECONDS, MAX_WAIT_SECONDS, PATIENCE, Found, Rooms, Turns

WELL, DEAD = "well.example", "dead.example"
ALICE, BOB = UUID(int=1), UUID(int=2)


class Clock:
    """A clock that a test turns, in seconds."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(clock: Clock) -> Turns:
    return Turns(in_all=10, per_host=3, per_user=10, now=clock, chance=lambda: 1.0)


def to(host: str, user_id: UUID = ALICE) -> Found:
    return Found(uuid4(), host, user_id)


def fail(turns: Turns, name: str, after: float | None = None, *, times: int = 1) -> None:
    for _ in range(times):
        turns.take(to(name))
        turns.failed(name, after)
        turns.leave(to(name))


def waiting(turns: Turns) -> int:
    """How many hosts are left alone."""
    return sum(state.seconds_alone > 0 for state in turns.states())


def test_a_host_takes_no_more_calls_than_its_slots(turns: Turns) -> None:
    for expected in (2, 1, 0):
        turns.take(to(WELL))
        assert turns.rooms().hosts[WELL] == expected
    assert turns.rooms().in_all == 7
    turns.leave(to(WELL))
    assert turns.rooms().hosts[WELL] == 1


def test_a_host_that_fails_leaves_the_others_as_they_are(turns: Turns) -> None:
    fail(turns, DEAD, times=PATIENCE)
    assert turns.rooms().hosts == {DEAD: 0}
    assert (turns.rooms().in_all, waiting(turns)) == (10, 1)


def test_waits_double_up_to_five_minutes(turns: Turns, clock: Clock) -> None:
    waits = []
    fail(turns, DEAD, times=PATIENCE - 1)
    for _ in range(12):
        fail(turns, DEAD)
        began = clock.time
        while turns.rooms().hosts[DEAD] == 0:
            clock.time += 0.5
        waits.append(clock.time - began)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == MAX_WAIT_SECONDS


def test_after_its_wait_one_call_tries_the_host_and_an_answer_opens_it(turns: Turns, clock: Clock) -> None:
    fail(turns, DEAD, times=PATIENCE)
    clock.time += 2
    assert turns.rooms().hosts == {DEAD: 1}
    turns.take(to(DEAD))
    assert turns.rooms().hosts == {DEAD: 0}
    turns.answered(DEAD)
    turns.leave(to(DEAD))
    assert turns.rooms().hosts.get(DEAD, turns.per_host) == 3


def test_a_host_that_fails_now_and_then_is_called_on(turns: Turns) -> None:
    for _ in range(5):
        fail(turns, WELL, after=60, times=PATIENCE - 1)
        assert turns.rooms().hosts == {WELL: 3}
        turns.take(to(WELL))
        turns.answered(WELL)
        turns.leave(to(WELL))
    assert waiting(turns) == 0


def test_a_host_is_not_called_before_the_time_it_asked_for_but_for_five_minutes(turns: Turns, clock: Clock) -> None:
    fail(turns, DEAD, after=86_400, times=PATIENCE)
    clock.time += MAX_WAIT_SECONDS
    assert turns.rooms().hosts == {DEAD: 1}
    fail(turns, DEAD, after=60)
    clock.time += 59
    assert turns.rooms().hosts == {DEAD: 0}
    clock.time += 1
    assert turns.rooms().hosts == {DEAD: 1}


def test_calls_that_fail_together_make_one_wait(turns: Turns, clock: Clock) -> None:
    for _ in range(3 * PATIENCE):
        turns.take(to(DEAD))
    for _ in range(3 * PATIENCE):
        turns.failed(DEAD)
        turns.leave(to(DEAD))
    clock.time += 1
    assert turns.rooms().hosts == {DEAD: 1}


def test_a_host_that_nobody_calls_any_more_is_forgotten(turns: Turns, clock: Clock) -> None:
    fail(turns, DEAD)
    clock.time += FORGOTTEN_SECONDS + 1
    assert turns.rooms().hosts == {}


def test_a_user_takes_no_more_than_their_turns_whatever_the_host(clock: Clock) -> None:
    turns = Turns(in_all=10, per_host=3, per_user=2, now=clock)
    turns.take(to(WELL))
    turns.take(to(DEAD))
    assert turns.rooms().users == {ALICE: 0}
    turns.leave(to(WELL))
    assert turns.rooms().users == {ALICE: 1}
    turns.leave(to(DEAD))
    assert (turns.rooms().users, turns.under_way()) == ({}, 0)


def test_what_fits_is_within_the_room_of_each_host_and_of_each_user_and_in_all() -> None:
    found = [to(host, user) for user in (ALICE, BOB) for host in (WELL, WELL, DEAD, "third", "third")]
    ids = [one.delivery_id for one in found]
    assert Rooms(99, {}, 99, {}, 99).fit(found) == ids
    assert Rooms(4, {}, 99, {}, 99).fit(found) == ids[:4]
    assert Rooms(99, {DEAD: 0}, 1, {}, 99).fit(found) == [ids[0], ids[3]]
    assert Rooms(99, {}, 99, {BOB: 1}, 2).fit(found) == [*ids[:2], ids[5]]


def test_hosts_that_are_left_alone_are_told_first_and_then_the_busiest(turns: Turns, clock: Clock) -> None:
    for host, calls in (("idle", 0), (WELL, 1), ("busy", 3)):
        for _ in range(calls):
            turns.take(to(host))
    fail(turns, DEAD, after=60, times=PATIENCE)
    clock.time += 20
    told = [(state.host, state.under_way, state.failures, state.seconds_alone) for state in turns.states()]
    assert told == [(DEAD, 0, 3, 40.0), ("busy", 3, 0, 0.0), (WELL, 1, 0, 0.0)]
