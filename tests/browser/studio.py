"""Studio in a page of Chromium, as a person with a name uses it. Things are found as screen readers find them, by the
roles and names that web/README.md lists."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from playwright.async_api import Browser, Locator, Page, Route, expect

from deploy.local.identity import user_id
from deploy.local.stack import Stack
from tests.browser.chromium import DESK, Seen, watch
from tests.e2e.people import Person

WAIT_MS = 60_000
"""For what the platform does meanwhile; the machine is shared."""
DROP = """([name, type, data]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name, { type }));
    for (const kind of ["dragover", "drop"])
        document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""
PLAYS = """([video, seconds]) => video.currentTime > seconds && video.getVideoPlaybackQuality().totalVideoFrames > 5"""


@dataclass
class Studio:
    """Somebody's page."""

    page: Page
    seen: Seen
    name: str
    url: str

    @property
    def user_id(self) -> str:
        return str(user_id(self.name))

    async def go(self, fragment: str, heading: str) -> None:
        """Open another page of Studio, and wait for it."""
        await self.page.goto(f"{self.url}#/{fragment}")
        await expect(self.page.get_by_role("heading", level=1, name=heading)).to_be_visible()

    async def drop(self, clip: Path) -> Locator:
        """Drop a clip on the page; its card."""
        data = await asyncio.to_thread(clip.read_bytes)
        await self.page.evaluate(DROP, [clip.name, "video/mp4", base64.b64encode(data).decode()])
        return self.page.get_by_role("article", name=clip.name)

    async def choose(self, clip: Path) -> Locator:
        """Choose a clip by the button's dialog; its card."""
        await self.page.get_by_label("Clips to upload").set_input_files(clip)
        return self.page.get_by_role("article", name=clip.name)

    async def send(self, card: Locator, title: str, *, publish: bool = False) -> None:
        """Name a chosen clip and have it uploaded."""
        await card.get_by_role("textbox", name="Title of").fill(title)
        await card.get_by_role("checkbox", name="Publish when ready").set_checked(publish)
        await card.get_by_role("button", name="Upload", exact=False).click()

    async def open_sent(self, card: Locator, title: str, state: str) -> None:
        """The page of a clip that was uploaded, once it is in a state."""
        await self.stands(card, title, state)
        await card.get_by_role("link", name="Open video").click()
        await expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()

    async def stands(self, card: Locator, title: str, state: str) -> None:
        """Wait until the card of a clip says that it is in a state (a word)."""
        await expect(card.get_by_role("list", name=f"Steps of {title}")).to_be_visible(timeout=WAIT_MS)
        await expect(card.get_by_role("status").filter(has_text=state).first).to_be_visible(timeout=WAIT_MS)

    async def play(self, video: Locator) -> None:
        """Play, and wait until pictures of more than a second were shown."""
        await expect(video).to_be_visible()
        element = await video.element_handle()
        await video.evaluate("(video) => video.play()")
        await self.page.wait_for_function(PLAYS, arg=[element, 0.3], timeout=WAIT_MS)
        frames = await video.evaluate("(video) => video.getVideoPlaybackQuality().totalVideoFrames")
        await self.page.wait_for_function(PLAYS, arg=[element, 1.2], timeout=WAIT_MS)
        assert await video.evaluate("(video) => video.getVideoPlaybackQuality().totalVideoFrames") > frames


def somebody(name: str) -> str:
    """A name that nobody had before."""
    return f"{name}-{uuid.uuid4().hex[:6]}"


@contextmanager
def without_a_page(platform: Stack, name: str) -> Iterator[Person]:
    """A person with a name at the API, for what a test sees to before it looks."""
    headers = {"Authorization": f"Bearer {platform.issuer.user_token(name, 'verified')}"}
    with httpx.Client(base_url=platform.gateway, headers=headers, timeout=30) as http:
        yield Person(str(user_id(name)), http)


@asynccontextmanager
async def studio_of(
    browser: Browser, platform: Stack, name: str, device: Mapping[str, Any] | None = None
) -> AsyncIterator[Studio]:
    """Studio with a person signed in. At its end the page has asked no stranger, kept to its policy, and had no error
    that nobody caught."""
    context = await browser.new_context(**(device or DESK))
    seen = watch(context)
    page = await context.new_page()
    url = str(platform.addresses["studio"])
    studio = Studio(page, seen, name, url)
    await page.goto(url)
    await page.get_by_role("textbox", name="Another name").fill(studio.name)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1, name="Upload")).to_be_visible()
    try:
        yield studio
        addresses = platform.addresses
        seen.assert_clean([addresses["gateway"], addresses["s3"]["endpoint"], addresses["identity"]])
    finally:
        await context.close()


class Parts:
    """The parts that a page sends to S3: their numbers, of which those from one on are held back until they may go."""

    def __init__(self, held_from: int) -> None:
        self.sent: list[int] = []
        self.held_from = held_from
        self.holding, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, route: Route) -> None:
        if route.request.method == "PUT":
            number = int(parse_qs(urlsplit(route.request.url).query)["partNumber"][0])
            if number >= self.held_from:
                self.holding.set()
                await self.go_on.wait()
            self.sent.append(number)
        await route.fallback()


async def held(studio: Studio, clip: Path, title: str, held_from: int) -> Parts:
    """An upload under way, of which the parts from a number on do not get on."""
    parts = Parts(held_from)
    await studio.page.route("**/uploads/**", parts)
    card = await studio.choose(clip)
    await studio.send(card, title)
    await parts.holding.wait()
    return parts
