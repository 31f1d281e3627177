"""What the tests of media share: a schema of their own for each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from importlib.resources.abc import Traversable

import pytest
from scratch import Scratch

from chassis.postgres import Pool, open_pool
from chassis.transaction import transactions
from services.media.ports import Begin
from services.media.repository import Repository


@pytest.fixture
async def pool(scratch_schema: Callable[[Traversable], Awaitable[Scratch]]) -> AsyncIterator[Pool]:
    scratch = await scratch_schema(resources.files("services.media.migrations"))
    async with open_pool(scratch.dsn, application_name=scratch.schema) as opened:
        yield opened


@pytest.fixture
def begin(pool: Pool) -> Begin:
    return transactions(pool, Repository, lambda: None)
