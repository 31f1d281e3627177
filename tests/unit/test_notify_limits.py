"""How many calls go to a host at once, and when a host that fails is called again."""

import pytest

from services.notify.domain.limits import FORGOTTEN_SECONDS, MAX_WAIT_SECONDS, PATIENCE, Hosts

WELL, DEAD = "well.example", "dead.example"


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
def hosts(clock: Clock) -> Hosts:
    return Hosts(in_all=10, at_once=3, now=clock, chance=lambda: 1.0)


def fail(hosts: Hosts, name: str, after: float | None = None, *, times: int = 1) -> None:
    for _ in range(times):
        hosts.enter(name)
        hosts.failed(name, after)
        hosts.leave(name)


def test_a_host_takes_no_more_calls_than_its_slots(hosts: Hosts) -> None:
    for expected in (2, 1, 0):
        hosts.enter(WELL)
        assert hosts.slots()[WELL] == expected
    assert hosts.room() == 7
    hosts.leave(WELL)
    assert hosts.slots()[WELL] == 1


def test_a_host_that_fails_leaves_the_others_as_they_are(hosts: Hosts) -> None:
    fail(hosts, DEAD, times=PATIENCE)
    assert hosts.slots() == {DEAD: 0}
    assert (hosts.room(), hosts.waiting()) == (10, 1)


def test_waits_double_up_to_five_minutes(hosts: Hosts, clock: Clock) -> None:
    waits = []
    fail(hosts, DEAD, times=PATIENCE - 1)
    for _ in range(12):
        fail(hosts, DEAD)
        began = clock.time
        while hosts.slots()[DEAD] == 0:
            clock.time += 0.5
        waits.append(clock.time - began)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == MAX_WAIT_SECONDS


def test_after_its_wait_one_call_tries_the_host_and_an_answer_opens_it(hosts: Hosts, clock: Clock) -> None:
    fail(hosts, DEAD, times=PATIENCE)
    clock.time += 2
    assert hosts.slots() == {DEAD: 1}
    hosts.enter(DEAD)
    assert hosts.slots() == {DEAD: 0}
    hosts.answered(DEAD)
    hosts.leave(DEAD)
    assert hosts.slots().get(DEAD, hosts.at_once) == 3


def test_a_host_that_fails_now_and_then_is_called_on(hosts: Hosts) -> None:
    for _ in range(5):
        fail(hosts, WELL, after=60, times=PATIENCE - 1)
        assert hosts.slots() == {WELL: 3}
        hosts.enter(WELL)
        hosts.answered(WELL)
        hosts.leave(WELL)
    assert hosts.waiting() == 0


def test_a_host_is_not_called_before_the_time_it_asked_for_but_for_five_minutes(hosts: Hosts, clock: Clock) -> None:
    fail(hosts, DEAD, after=86_400, times=PATIENCE)
    clock.time += MAX_WAIT_SECONDS
    assert hosts.slots() == {DEAD: 1}
    fail(hosts, DEAD, after=60)
    clock.time += 59
    assert hosts.slots() == {DEAD: 0}
    clock.time += 1
    assert hosts.slots() == {DEAD: 1}


def test_calls_that_fail_together_make_one_wait(hosts: Hosts, clock: Clock) -> None:
    for _ in range(3 * PATIENCE):
        hosts.enter(DEAD)
    for _ in range(3 * PATIENCE):
        hosts.failed(DEAD)
        hosts.leave(DEAD)
    clock.time += 1
    assert hosts.slots() == {DEAD: 1}


def test_a_host_that_nobody_calls_any_more_is_forgotten(hosts: Hosts, clock: Clock) -> None:
    fail(hosts, DEAD)
    clock.time += FORGOTTEN_SECONDS + 1
    assert hosts.slots() == {}
