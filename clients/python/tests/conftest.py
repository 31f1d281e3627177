"""What the tests of the client share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina
from fake_platform import FakePlatform


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client keeps its notes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "nextplay"


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    with FakePlatform() as platform:
        yield platform


@pytest.fixture
def at_once() -> Iterator[None]:
    """Without waiting between attempts, of which there are five."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield
