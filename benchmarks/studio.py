"""What a person waits for, and downloads, who opens Studio for the first time."""

import asyncio
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Browser

from benchmarks.measure import Measure
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from tests.browser.chromium import launched
from tests.browser.conftest import lacking

VIEWS = 7
LIMIT_BYTES = 250_000
LIMIT_MS = 1_000.0
# The button is there, and the main thread has nothing to do before it.
INTERACTIVE = """() => {
    const buttons = () => [...document.querySelectorAll("button")];
    const look = () => buttons().some(({ textContent }) => textContent.includes("Choose clips"));
    const told = () => requestIdleCallback(() => (window.interactive = performance.now()));
    new MutationObserver((_, observer) => look() && (observer.disconnect(), told()))
        .observe(document, { childList: true, subtree: true });
}"""


def measure() -> list[Measure]:
    """On a platform of its own, in a Chromium that starts each view with nothing cached."""
    if reason := lacking():
        raise SystemExit(f"Studio cannot be measured: {reason}.")
    with tempfile.TemporaryDirectory(prefix="nextplay-bench-") as directory:
        home = Path(directory)
        start(home, with_parent=True)
        try:
            return asyncio.run(_measure(attach(home)))
        finally:
            stop(home)


async def _measure(stack: Stack) -> list[Measure]:
    token = stack.issuer.user_token("first-view")
    async with launched() as browser:
        views = [await _view(browser, f"{stack.addresses['studio']}#token={token}") for _ in range(VIEWS)]
    how = f"headless Chromium on this machine, nothing cached, signed in, the Upload page; median of {VIEWS}"
    return [
        Measure(
            "Studio's first view, transferred",
            statistics.median(view["bytes"] for view in views) / 1000,
            "kB",
            LIMIT_BYTES / 1000,
            f"{how}; everything with its headers, as it came over the wire",
        ),
        Measure(
            "Studio's first view, interactive after",
            statistics.median(view["interactive_ms"] for view in views),
            "ms",
            LIMIT_MS,
            f"{how}; from the navigation until clips can be chosen and the main thread is idle",
        ),
    ]


async def _view(browser: Browser, url: str) -> Mapping[str, Any]:
    """One view in a context of its own, which has a cache of its own."""
    context = await browser.new_context()
    page = await context.new_page()
    network = await context.new_cdp_session(page)
    await network.send("Network.enable")
    received: list[float] = []
    network.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    await page.add_init_script(f"({INTERACTIVE})()")
    await page.goto(url, wait_until="load")
    await page.wait_for_function("() => window.interactive !== undefined")
    seen = {"bytes": sum(received), "interactive_ms": await page.evaluate("window.interactive")}
    await context.close()
    return seen
