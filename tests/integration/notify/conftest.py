"""What the tests of notify share: a schema of their own for each, and somebody who calls."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from uuid import UUID, uuid4

import pytest
from notify_pushes import turns_for
from scratch import Scratch

from chassis.auth import User, acting_as
from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from services.notify.domain.turns import Turns
from services.notify.ports import Begin
from services.notify.repository import open_store


@pytest.fixture
async def scratched(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> Scratch:
    """The schema of one test, as notify's migrations make it."""
    return await scratch_schema(resources.files("services.notify.migrations"))


@pytest.fixture
async def pool(scratched: Scratch) -> AsyncIterator[Pool]:
    async with open_pool(scratched.dsn, application_name=scratched.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, open_store, lambda: None)


@pytest.fixture
def turns() -> Turns:
    """Of ten places in all, three of them for a host."""
    return turns_for(10, per_host=3)


@pytest.fixture
def alice() -> Iterator[UUID]:
    """A user, who makes the calls of the test."""
    user_id = uuid4()
    with acting_as(User(user_id, "free")):
        yield user_id
