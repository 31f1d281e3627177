"""Several tabs of one person."""

import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from tests.browser.clips import padded
from tests.browser.studio import WAIT_MS, Studio, held, somebody, studio_of

TABS = 7
"""More than the connections that a browser opens to a host."""


async def another_tab(studio: Studio) -> Page:
    """One more tab of the same person."""
    page = await studio.page.context.new_page()
    await page.goto(studio.url)
    await page.get_by_role("textbox", name="Another name").fill(studio.name)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1, name="Upload")).to_be_visible()
    return page


async def test_many_tabs_leave_each_other_connections(browser: Browser, platform: Stack, clip: Path) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        tabs = [await another_tab(studio) for _ in range(TABS)]
        await studio.page.bring_to_front()
        card = await studio.choose(clip)
        await studio.send(card, "Among many")
        await studio.stands(card, "Among many", "Ready")
        for tab in tabs:
            await expect(tab.get_by_role("link", name=re.compile("Inbox ?, 1 unread"))).to_be_visible(timeout=WAIT_MS)


async def test_what_is_read_in_one_tab_is_read_in_the_other(browser: Browser, platform: Stack, clip: Path) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        other = await another_tab(studio)
        card = await studio.choose(clip)
        await studio.send(card, "Read once")
        unread = re.compile("Inbox ?, 1 unread")
        await expect(studio.page.get_by_role("link", name=unread)).to_be_visible(timeout=WAIT_MS)
        await expect(other.get_by_role("link", name=unread)).to_be_visible(timeout=WAIT_MS)
        await studio.go("inbox", "Inbox")
        told = studio.page.get_by_role("list", name="Notifications").get_by_role("listitem")
        await expect(told.get_by_role("link", name="Video ready! “Read once”")).to_be_visible()
        await studio.page.get_by_role("button", name="Mark all as read").click()
        await expect(other.get_by_role("link", name="Inbox", exact=True)).to_be_visible()


async def test_an_upload_that_another_tab_discards_is_begun_anew(
    browser: Browser, platform: Stack, clip: Path, tmp_path: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        parts = await held(studio, padded(clip, 11 * 2**20, tmp_path / "twice.mp4"), "Twice", held_from=2)
        other = await another_tab(studio)
        await other.get_by_role("button", name="Discard twice.mp4").click()
        await expect(other.get_by_role("status").filter(has_text="“Twice” is given up.")).to_be_visible()
        parts.go_on.set()
        card = studio.page.get_by_role("article", name="twice.mp4")
        await card.get_by_role("button", name="Try again").click(timeout=WAIT_MS)
        await studio.stands(card, "Twice", "Ready")
        await studio.go("videos", "Your videos")
        await expect(studio.page.get_by_role("article")).to_have_count(1)


async def test_an_upload_that_another_tab_completes_has_arrived(
    browser: Browser, platform: Stack, clip: Path, tmp_path: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        large = padded(clip, 11 * 2**20, tmp_path / "shared.mp4")
        parts = await held(studio, large, "Shared", held_from=2)
        other = Studio(await another_tab(studio), studio.seen, studio.name, studio.url)
        await other.page.get_by_label("File of shared.mp4").set_input_files(large)
        await other.stands(other.page.get_by_role("article", name="shared.mp4"), "Shared", "Ready")
        parts.go_on.set()
        await studio.stands(studio.page.get_by_role("article", name="shared.mp4"), "Shared", "Ready")
