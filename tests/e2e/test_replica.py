"""Polls through the gateway are read from the replica, and none fails when it hangs."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.lifecycle import start, stop
from deploy.local.shape import Shape
from deploy.local.stack import Stack, attach
from tests.e2e.conftest import MakePerson
from tests.e2e.people import becomes, execute, status_of, until
from tests.e2e.test_outages import hanging

POLL_SECONDS = 4.0  # on the machine that the tests share


@pytest.fixture(scope="module")
def platform() -> Iterator[Stack]:
    """A platform with a replica that may be far behind."""
    with tempfile.TemporaryDirectory(prefix="nextplay-polls-") as directory, pytest.MonkeyPatch.context() as patched:
        home = Path(directory)
        patched.setenv("NEXTPLAY_CATALOG_REPLICA_LAG_SECONDS", "600")
        start(home, shape=Shape(replica=True), with_parent=True)
        try:
            yield attach(home)
        finally:
            stop(home)


def test_a_poll_shows_what_the_replica_has_and_min_sequence_what_the_primary_has(
    person: MakePerson, platform: Stack
) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    replica = platform.dsn("postgres", "replica")
    until(lambda: asked(platform), seconds=20, what="the catalog asking the replica")
    execute(replica, "SELECT pg_wal_replay_pause()")
    try:
        alice.delete(f"/v1/uploads/{initiated['upload_id']}")
        path = f"/v1/videos/{initiated['video_id']}/status"
        fresh = until(
            lambda: (
                reply
                if (reply := alice.get(path, min_sequence=3).json())["status"] == "DRAFT" and reply["sequence"] == 3
                else None
            ),
            seconds=10,
            what="the end of the upload on the primary",
        )
        stale = status_of(alice, initiated["video_id"])
        assert (fresh["sequence"], stale["sequence"], stale["status"]) == (3, 2, "UPLOADING")
    finally:
        execute(replica, "SELECT pg_wal_replay_resume()")
    becomes(alice, initiated["video_id"], "DRAFT", seconds=20)


def test_no_poll_fails_while_the_replica_hangs(person: MakePerson, platform: Stack) -> None:
    alice = person("alice")
    initiated = alice.initiate(1000)
    becomes(alice, initiated["video_id"], "UPLOADING", seconds=20)
    with hanging(platform, "replica"):
        for _ in range(20):
            started = time.monotonic()
            assert status_of(alice, initiated["video_id"])["status"] == "UPLOADING"
            assert time.monotonic() - started < POLL_SECONDS
    until(lambda: asked(platform), seconds=20, what="the catalog asking the replica again")


def asked(platform: Stack) -> bool | None:
    """Whether the catalog reads from the replica at the moment."""
    lines = platform.home.log_of("catalog").read_text().splitlines()
    told = [line for line in lines if '"replica_found"' in line or '"replica_left"' in line]
    return True if told and '"replica_found"' in told[-1] else None
