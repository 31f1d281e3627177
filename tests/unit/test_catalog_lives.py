"""Lives of a video through the real use cases, with everybody acting at once and a crash before and after every call of
a port: only legal moves, sequences without gaps, and the end of the ordered history. Planted defects are found."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chassis.consumer import Handler
from chassis.events import EventMeta
from chassis.transaction import QUERIES
from services.catalog.domain.commands import Action, allowed_actions
from services.catalog.domain.states import Cause
from services.catalog.domain.video import Status
from services.catalog.fakes.store import MemoryCatalog
from services.catalog.ports import Begin, Store, Tx
from services.catalog.usecases.facts import fact_from, record, video_id_of
from tests.catalog_history import NOW, Generation, histories, without_earlier_original
from tests.catalog_life import Life, pause, real_handlers


def decided(seed: int, count: int) -> list[int]:
    """So many decisions; a shorter list is an earlier return to order, so the count is what hypothesis shrinks."""
    chance = random.Random(seed)
    return [chance.randrange(1000) for _ in range(count)]


decisions = st.builds(decided, st.integers(0, 2**32), st.integers(0, 500))
LIVES = settings(max_examples=200, deadline=None, database=None)


def assert_ends_like_the_ordered_history(life: Life) -> None:
    life.live().check()
    ordered = Life(life.plans, iter([])).live()
    ordered.check()
    assert without_earlier_original(life.video) == without_earlier_original(ordered.video)
    assert life.assets == ordered.assets
    if life.plans[-1].end is Cause.TRANSCODE_FAILED:
        assert (Action.RETRY in allowed_actions(life.video, NOW)) is life.plans[-1].can_be_retried


@LIVES
@given(histories(), decisions)
def test_every_life_ends_like_the_ordered_history(plans: list[Generation], decisions: list[int]) -> None:
    assert_ends_like_the_ordered_history(Life(plans, iter(decisions)))


@LIVES
@given(histories(), decisions)
def test_a_video_deleted_in_the_middle_of_anything_stays_deleted(plans: list[Generation], decisions: list[int]) -> None:
    life = Life(plans, iter(decisions), deletes=True).live()
    life.check()
    if life.video.status is Status.DELETED:
        assert life.assets == ()


@LIVES
@given(st.integers(1, 3), st.booleans(), decisions)
def test_a_wish_to_publish_when_ready_wins_every_race(runs: int, started: bool, decisions: list[int]) -> None:
    plan = Generation(Cause.TRANSCODE_COMPLETED, runs, started, retried=False, wished=False)
    life = Life([plan], iter(decisions), wishes_at_any_time=True).live()
    life.check()
    wished = [entry for _, entry in life.catalog.timeline if entry.event == "PublishVideo"]
    assert life.video.status is (Status.PUBLISHED if wished else Status.READY)
    assert not life.video.publish_when_ready


async def apply_with_its_inbox_row_first(
    begin: Begin, consumer: str, meta: EventMeta, event: Message, handler: Handler[Store]
) -> bool:
    async with begin() as tx:
        if not await tx.connection.fetchval(QUERIES["insert_inbox"], consumer, meta.id):
            return False
    async with begin() as tx:
        await handler(event, tx, meta)
    return True


async def hear_of_any_generation(event: Message, tx: Tx, meta: EventMeta) -> None:
    """A handler that takes what it hears for the present generation's."""
    video = await tx.store.videos.lock(video_id_of(event))
    assert video
    fact = replace(fact_from(event, meta.time), generation=video.generation)
    await record(tx, video.video_id, fact, NOW)


@dataclass
class Unlocked(MemoryCatalog):
    """A catalog that reads a video where it should lock it."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        async with super().begin() as tx:
            tx.store.videos.lock = tx.store.videos.find  # type: ignore[method-assign]
            yield tx


DEFECTS: dict[str, Callable[[], dict[str, Any]]] = {
    "inbox row written too early": lambda: {"apply": apply_with_its_inbox_row_first},
    "generation not compared": lambda: {"handlers": dict.fromkeys(real_handlers(), hear_of_any_generation)},
    "lock left out": lambda: {"catalog": Unlocked(pause)},
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_planted_defect_is_found(defect: str) -> None:
    @settings(LIVES, max_examples=2000, derandomize=True, phases=[Phase.generate])
    @given(histories(), decisions)
    def ends_like_the_ordered_history(plans: list[Generation], decisions: list[int]) -> None:
        assert_ends_like_the_ordered_history(Life(plans, iter(decisions), **DEFECTS[defect]()))

    with pytest.raises(AssertionError):
        ends_like_the_ordered_history()
