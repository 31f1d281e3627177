"""The Chromium that the tests drive, and what they ask of every page: no request to a stranger, no violation of its
Content-Security-Policy, no error that nobody caught."""

import os
import shutil
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Chromium asks hosts of its maker at every start unless it is told not to.
FLAGS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-domain-reliability", "--mute-audio"),
]
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


def executable() -> str | None:
    """Where Chromium is; NEXTPLAY_CHROMIUM names another one."""
    names = [os.environ["NEXTPLAY_CHROMIUM"]] if "NEXTPLAY_CHROMIUM" in os.environ else NAMES
    return next((path for name in names if (path := shutil.which(name))), None)


@asynccontextmanager
async def launched(*more: str) -> AsyncIterator[Browser]:
    """A Chromium without a window, on a profile that is new and thrown away; `more` are further flags."""
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which it does not have for root
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=[*FLAGS, *sandbox, *more])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Seen:
    """What went on in the pages of a context."""

    hosts: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def assert_clean(self, allowed: Collection[str]) -> None:
        """Fail where a page asked another host than `allowed` (URLs), broke its policy, or had an error."""
        strangers = self.hosts - {urlsplit(url).netloc for url in allowed}
        assert not strangers, f"the page asked {strangers}"
        assert not self.wrong, self.wrong


def watch(context: BrowserContext) -> Seen:
    """Look at everything that pages of the context do from now on."""
    seen = Seen()

    def look(page: Page) -> None:
        page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
        page.on("console", lambda said: seen.wrong.append(said.text) if "Content Security" in said.text else None)

    def note(url: str) -> None:
        if urlsplit(url).scheme in ("http", "https", "ws", "wss"):
            seen.hosts.add(urlsplit(url).netloc)
            seen.requests.append(url)

    context.on("request", lambda request: note(request.url))
    context.on("page", look)
    return seen
