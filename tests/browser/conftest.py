"""Chromium for the tests that look at pages, on the shared platform.

Where there is no Chromium, or Studio is not built, these tests are skipped, and the run says so at its end. With
NEXTPLAY_BROWSER_TESTS=required, as .ci/run sets it, the run fails instead.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from deploy.local.workloads import WEB
from tests.browser.chromium import executable, launched
from tests.e2e.conftest import person
from tests.e2e.people import make_clip

__all__ = ["person"]  # the fixture of tests/e2e, for what a test sees to without a page

HERE = Path(__file__).parent
LACKING = pytest.StashKey[str]()


def lacking() -> str | None:
    """Why pages cannot be looked at here, if so."""
    if executable() is None:
        return "there is no Chromium; as root on Debian or Ubuntu, `make test` installs it"
    if not (WEB / "index.html").exists():
        return "Studio is not built; see what `make web` says"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    reason = lacking() if ours else None
    if reason is None:
        return
    if os.environ.get("NEXTPLAY_BROWSER_TESTS") == "required":
        raise pytest.UsageError(f"The browser tests are required, and cannot run: {reason}.")
    config.stash[LACKING] = f"{len(ours)} browser tests did not run: {reason}."
    for item in ours:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if LACKING in config.stash:
        terminalreporter.section("browser tests", yellow=True)
        terminalreporter.line(config.stash[LACKING], yellow=True)


@pytest_asyncio.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests; each opens contexts of its own in it."""
    async with launched() as started:
        yield started


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s, 640×360, with sound."""
    return make_clip(tmp_path_factory.mktemp("browser") / "short.mp4", seconds=3)
