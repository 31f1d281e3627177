"""People and clips for the end-to-end tests."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from tests.e2e.people import Person, make_clip
from tests.openapi import assert_matches_openapi

MakePerson = Callable[..., Person]


def as_described(reply: httpx.Response) -> None:
    """Every answer that a person gets is one that /openapi.json describes. Streams are looked at by their tests."""
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        reply.read()
        assert_matches_openapi(reply)


@pytest.fixture
def person(platform: Stack) -> Iterator[MakePerson]:
    """`person("alice")` is somebody new each time, so that tests share neither videos nor rate limits."""
    with ExitStack() as opened:

        def make(name: str, tier: str = "free") -> Person:
            unique = f"{name}-{uuid.uuid4().hex[:8]}"
            token = platform.issuer.user_token(unique, tier)
            http = httpx.Client(
                base_url=platform.gateway,
                headers={"Authorization": f"Bearer {token}"},
                timeout=20,
                event_hooks={"response": [as_described]},
            )
            return Person(str(user_id(unique)), opened.enter_context(http))

        yield make


@pytest.fixture(autouse=True)
def _notes_of_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients leave their notes here, and none in the home of whoever runs the tests."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def no_transcodes(platform: Stack) -> Iterator[None]:
    """What is stored stays: nobody looks whether it is a video."""
    platform.hold("media-worker")
    yield
    platform.release("media-worker")


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where clips are made once per run."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def clip(clips: Path) -> Path:
    """3 s, 640×360, with sound."""
    return make_clip(clips / "short.mp4", seconds=3)


@pytest.fixture(scope="session")
def busy_clip(clips: Path) -> Path:
    """12 s, 1280×720 at 30 frames a second: long enough in the encoder to be interrupted."""
    return make_clip(clips / "busy.mp4", seconds=12, size="1280x720")
