"""Several tabs of one person."""

import re
from pathlib import Path

from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from tests.browser.studio import WAIT_MS, Studio, somebody, studio_of

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
