"""How deliveries are made, of whatever channel."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from services.notify.delivering import claiming, deliver, deliver_one
from services.notify.domain.turns import Rooms, Turns
from services.notify.domain.webhooks import Claim
from services.notify.ports.ways import Way
from services.notify.usecases.together import together


@dataclass
class Answer:
    host_answered: bool | None = True
    after: float | None = None


@dataclass
class Channel:
    """Deliveries that wait, and what became of them."""

    waiting: list[Claim] = field(default_factory=list)
    cancelled: list[Claim] = field(default_factory=list)
    sent: list[Claim] = field(default_factory=list)
    written: list[Claim] = field(default_factory=list)
    answer: Answer = field(default_factory=Answer)
    places: list[str] = field(default_factory=list)
    pages: dict[str, tuple[Sequence[Claim], str]] = field(default_factory=dict)

    async def claim(self, rooms: Rooms, place: str) -> tuple[Sequence[Claim], str]:
        self.places.append(place)
        if self.pages:
            return self.pages.get(place, ([], ""))
        fitting = set(rooms.fit(self.waiting))
        claimed = [one for one in self.waiting if one.delivery_id in fitting]
        self.waiting = [one for one in self.waiting if one.delivery_id not in fitting]
        return claimed, ""

    async def look_again(self, one: Claim) -> Claim | None:
        return None if one in self.cancelled else one

    async def send(self, one: Claim) -> Answer:
        self.sent.append(one)
        return self.answer

    async def write_down(self, one: Claim, answer: Answer) -> None:
        self.written.append(one)

    @property
    def way(self) -> Way[Claim, Claim, Answer]:
        return Way("test", self.claim, self.look_again, self.send, self.write_down)


@pytest.fixture
def turns() -> Turns:
    return Turns(in_all=4, per_host=4, per_user=4)


def to(host: str, user_id: UUID | None = None) -> Claim:
    return Claim(uuid4(), user_id or uuid4(), host, fence=1)


async def test_what_was_cancelled_since_the_claim_is_not_sent_and_leaves_its_turn(turns: Turns) -> None:
    cancelled, kept = to("a"), to("a")
    channel = Channel(waiting=[cancelled, kept], cancelled=[cancelled])
    for one in await claiming(channel.way, turns)():
        await deliver_one(channel.way, turns, one)
    assert (channel.sent, channel.written, turns.under_way()) == ([kept], [kept], 0)


async def test_the_turn_is_left_before_it_is_written_down_and_also_when_sending_breaks(turns: Turns) -> None:
    channel = Channel(waiting=[to("a"), to("a")])
    under_way: list[int] = []

    async def write_down(one: Claim, answer: Answer) -> None:
        under_way.append(turns.under_way())

    async def breaks(one: Claim) -> Answer:
        raise RuntimeError

    first, second = await claiming(channel.way, turns)()
    await deliver_one(Way("test", channel.claim, channel.look_again, channel.send, write_down), turns, first)
    with pytest.raises(RuntimeError):
        await deliver_one(Way("test", channel.claim, channel.look_again, breaks, write_down), turns, second)
    assert (under_way, turns.under_way()) == ([1], 0)


@pytest.mark.parametrize(("answered", "failures"), [(True, 0), (False, 2), (None, 1)])
async def test_what_a_host_answered_decides_whether_it_is_well(
    turns: Turns, answered: bool | None, failures: int
) -> None:
    one = to("a")
    turns.take(one)
    turns.failed("a")
    await deliver_one(Channel(answer=Answer(answered)).way, turns, one)
    assert sum(state.failures for state in turns.states()) == failures


async def test_a_claim_goes_once_round_all_hosts_before_there_is_nothing(turns: Turns) -> None:
    late = to("z")
    channel = Channel(pages={"": ([], "k"), "k": ([late], "z")})
    claim_next = claiming(channel.way, turns)
    assert list(await claim_next()) == [late]
    channel.pages = {"": ([], "k"), "k": ([], "")}
    channel.places.clear()
    assert list(await claim_next()) == []
    assert channel.places == ["z", "", "k"]


async def test_without_room_nothing_is_claimed(turns: Turns) -> None:
    for _ in range(turns.in_all):
        turns.take(to("a"))
    channel = Channel(waiting=[to("b")])
    assert await claiming(channel.way, turns)() == ()
    assert channel.places == []


async def test_one_that_hangs_holds_up_no_other_and_no_user_takes_all_turns() -> None:
    alice, turns = uuid4(), Turns(in_all=4, per_host=4, per_user=2)
    of_alice, others = [to(f"slow-{number}", alice) for number in range(9)], [to("well") for _ in range(20)]
    channel = Channel(waiting=[*of_alice, *others])
    all_written, slow = asyncio.Event(), 0

    async def send(one: Claim) -> Answer:
        nonlocal slow
        if one.user_id == alice:
            slow += 1
            await asyncio.Event().wait()
        return Answer()

    async def write_down(one: Claim, answer: Answer) -> None:
        channel.written.append(one)
        if len(channel.written) == len(others):
            all_written.set()

    way = Way("test", channel.claim, channel.look_again, send, write_down)
    loop = asyncio.create_task(deliver(way, turns, wake=asyncio.Event(), poll_seconds=60))
    async with asyncio.timeout(10):
        await all_written.wait()
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert slow == 2


async def test_what_comes_while_a_portion_is_done_is_done_next_all_at_once_and_each_hears_of_its_own() -> None:
    portions: list[int] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def double(numbers: Sequence[int]) -> Sequence[int]:
        portions.append(len(numbers))
        begun.set()
        await go_on.wait()
        return [2 * number for number in numbers]

    do = together("double", double)
    first = asyncio.create_task(do(0))
    await begun.wait()
    others = [asyncio.create_task(do(number)) for number in range(1, 10)]
    await asyncio.sleep(0)
    go_on.set()
    assert await asyncio.gather(first, *others) == [2 * number for number in range(10)]
    assert portions == [1, 9]


async def test_a_portion_that_cannot_be_done_raises_for_each_of_it_and_for_no_other() -> None:
    async def fails(numbers: Sequence[int]) -> Sequence[int]:
        if 0 in numbers:
            raise ValueError
        return numbers

    do = together("fail", fails)
    told = await asyncio.gather(do(0), do(1), return_exceptions=True)
    assert [type(one) for one in told] == [ValueError, ValueError]
    assert await do(2) == 2
