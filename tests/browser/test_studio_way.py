"""The whole way in Studio: from the clip that is dropped to the video that plays, and to who follows."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from deploy.local.stack import Stack
from tests.browser.chromium import DESK, PHONE
from tests.browser.studio import WAIT_MS, somebody, studio_of

DEVICES = pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])


@DEVICES
async def test_a_clip_goes_from_the_drop_to_a_playing_video(
    browser: Browser, platform: Stack, clip: Path, device: dict[str, Any]
) -> None:
    async with studio_of(browser, platform, somebody("alice"), device) as studio:
        page = studio.page
        card = await studio.drop(clip)
        await studio.send(card, "My first goal")
        await studio.open_sent(card, "My first goal", "Ready")
        await page.get_by_role("button", name="Publish now").click()
        await expect(page.get_by_role("status").filter(has_text="Published.")).to_be_visible()
        video = page.get_by_label("My first goal", exact=True)
        await studio.play(video)
        await page.get_by_role("combobox", name="Quality of My first goal").select_option(label="240p")
        await video.evaluate("(video) => video.play()")
        await page.wait_for_function("() => document.querySelector('.player-video').videoHeight === 240")
        timeline = page.get_by_role("list", name="Timeline")
        await expect(timeline.get_by_role("listitem").first).to_be_visible()
        await studio.go("videos", "Your videos")
        await expect(page.get_by_role("article", name="My first goal")).to_contain_text("Published")


async def test_a_clip_is_published_as_soon_as_it_is_ready(browser: Browser, platform: Stack, clip: Path) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        card = await studio.choose(clip)
        await studio.send(card, "Out at once", publish=True)
        await studio.stands(card, "Out at once", "Published")


async def test_who_follows_is_told_while_looking_and_plays_the_clip(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    async with (
        studio_of(browser, platform, somebody("alice")) as alice,
        studio_of(browser, platform, somebody("bob"), PHONE) as bob,
    ):
        await bob.page.goto(f"{bob.url}#/people/{alice.user_id}")
        await bob.page.get_by_role("button", name="Follow User").click()
        await expect(bob.page.get_by_role("button", name="Following User")).to_be_visible()
        await bob.go("following", "Following")

        card = await alice.choose(clip)
        await alice.send(card, "For my followers", publish=True)
        await alice.stands(card, "For my followers", "Published")

        inbox = bob.page.get_by_role("link", name=re.compile("Inbox ?, 1 unread"))
        await expect(inbox).to_be_visible(timeout=WAIT_MS)
        await bob.page.reload()
        article = bob.page.get_by_role("article", name="For my followers")
        await article.get_by_role("button", name="Play For my followers").click()
        await bob.play(article.locator("video"))
        await inbox.click()
        notification = bob.page.get_by_role("list", name="Notifications").get_by_role("listitem").first
        await expect(notification).to_contain_text("For my followers")
        await bob.page.get_by_role("button", name="Mark all as read").click()
        await expect(bob.page.get_by_role("link", name="Inbox", exact=True)).to_be_visible()
