"""The platform that all tests of a run share: real PostgreSQL, S3 and Kafka, and all services where a test asks for
them.

    async def test_upload_rows_are_private(stack: Stack) -> None:
        connection = await asyncpg.connect(stack.dsn("catalog"))      # also "catalog_owner", "postgres"
        ...

    async def test_a_clip_is_published(platform: Stack, token_for: TokenFor) -> None:
        httpx.post(f"{platform.gateway}/v1/uploads/initiate",
                   headers={"Authorization": f"Bearer {token_for('alice', 'paid')}"}, ...)
        platform.kill("media-worker")                                 # SIGKILL; it is started again
        platform.hold("notify"); platform.release("notify")           # stopped for a while
        platform.run_job("upload-expire-uploads")

Tests run in any order on the same data, so each uses names and ids of its own, and releases what it held.
Wrong tokens come from the issuer itself: `stack.issuer.user_token("alice", exp=1)`, `..., aud="other"`.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from deploy.local.identity import user_id
from deploy.local.lifecycle import start, stop
from deploy.local.shape import Broker, Shape
from deploy.local.stack import Stack, attach

BROKER: Broker = "apache" if os.environ.get("KAFKA") == "apache" else "tansu"


class TokenFor(Protocol):
    """Makes a user's token. The same name is the same user everywhere."""

    def __call__(self, name: str, tier: str = "free") -> str: ...


class UserId(Protocol):
    """The UUID that a name stands for in tokens."""

    def __call__(self, name: str) -> UUID: ...


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """PostgreSQL, S3, Kafka and the token issuer, started once per run in a temporary home; no services (but for
    tests that come after one which asked for `platform`). The broker is Apache Kafka where KAFKA=apache.

    It ends with the run, also when pytest is killed.
    """
    with tempfile.TemporaryDirectory(prefix="nextplay-test-") as directory:
        home = Path(directory)
        start(home, only_infrastructure=True, shape=Shape(kafka=BROKER), with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


@pytest.fixture(scope="session")
def platform(stack: Stack) -> Stack:
    """The same stack with all services and jobs running; the first test that asks for it waits for their start."""
    stack.add_platform()
    return stack


@pytest.fixture(scope="session")
def token_for(stack: Stack) -> TokenFor:
    """`token_for("alice", "paid")` is a token of the platform's issuer."""

    def token(name: str, tier: str = "free") -> str:
        return stack.issuer.user_token(name, tier)

    return token


@pytest.fixture(scope="session")
def user_id_of() -> UserId:
    """`user_id_of("alice")` is the `sub` of her tokens."""
    return user_id
