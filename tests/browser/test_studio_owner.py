"""What an owner does with a video that is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.stack import Stack
from nextplay.media.v1.media_events_pb2 import TranscodeFailed
from tests.browser.chromium import DESK
from tests.browser.studio import WAIT_MS, Studio, somebody, studio_of, without_a_page
from tests.e2e.broker import send_event
from tests.e2e.people import Person, becomes


async def test_a_new_title_leaves_the_visibility_of_the_publication(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        card = await studio.choose(clip)
        await studio.send(card, "By link alone")
        await studio.open_sent(card, "By link alone", "Ready")
        await page.get_by_label("Visibility of the publication").select_option("unlisted")
        await page.get_by_role("button", name="Publish now").click()
        details = page.get_by_role("region", name="Details")
        await expect(details.get_by_role("combobox", name="Visibility")).to_have_value("unlisted")
        await expect(details.get_by_role("button", name="Save")).to_be_disabled()

        await details.get_by_role("textbox", name="Title").fill("By link")
        await details.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", level=1, name="By link", exact=True)).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", level=1, name="By link", exact=True)).to_be_visible()
        await expect(details.get_by_role("combobox", name="Visibility")).to_have_value("unlisted")


async def test_a_video_that_is_deleted_cannot_be_edited_any_more(browser: Browser, platform: Stack, clip: Path) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        card = await studio.choose(clip)
        await studio.send(card, "Gone")
        await studio.open_sent(card, "Gone", "Ready")
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("button", name="Delete for ever").click()
        await expect(page.get_by_role("heading", level=1, name="Your videos")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_text("Deleted", exact=True).first).to_be_visible()
        await expect(page.get_by_role("list", name="Timeline")).to_contain_text("Deleted")
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        await expect(page.get_by_role("list", name="Steps of Gone")).to_have_count(0)


async def test_a_video_of_which_processing_failed_is_retried_until_it_is_ready(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        retry = page.get_by_role("button", name="Retry processing")
        steps = page.get_by_role("list", name="Steps of Late")
        async with no_transcodes(platform):
            card = await studio.choose(clip)
            await studio.send(card, "Late")
            await studio.open_sent(card, "Late", "In the queue")
            await expect(retry).to_have_count(0)
            await fail(platform, studio)
            await expect(steps).to_contain_text("Processing, went wrong", timeout=WAIT_MS)
            await expect(page.get_by_role("alert")).to_contain_text("The encoder gave up.")
            await retry.click()
            await expect(page.get_by_role("status").filter(has_text="It is processed again.")).to_be_visible()
            await expect(steps).to_contain_text("Queue, now")
            await expect(retry).to_have_count(0)
            await expect(page.get_by_role("alert")).to_have_count(0)
        await expect(steps).to_contain_text("Ready, done", timeout=WAIT_MS)
        await expect(page.get_by_role("button", name="Publish now")).to_be_visible()
        await expect(page.get_by_role("list", name="Timeline")).to_contain_text("Retry asked for")


async def test_own_videos_are_those_of_one_state_until_all_are_asked_for(browser: Browser, platform: Stack) -> None:
    name = somebody("alice")
    with without_a_page(platform, name) as alice:
        for title, category in (("Sent", "sports"), ("Sung", "music")):
            under_way(alice, title, category)
        given_up(alice, "Given up")
    async with studio_of(browser, platform, name) as studio:
        page = studio.page
        await studio.go("videos", "Your videos")
        await shows(page, "All", "Given up", "Sung", "Sent")
        for state, titles in (("Draft", ["Given up"]), ("Uploading", ["Sung", "Sent"]), ("Published", [])):
            await chip(page, state)
            await shows(page, state, *titles)
        await expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()

        await chip(page, "Uploading")
        await page.get_by_role("combobox", name="Category").select_option("music")
        await shows(page, "Uploading", "Sung")
        await page.reload()
        await shows(page, "Uploading", "Sung")
        await page.get_by_role("combobox", name="Category").select_option("")
        await shows(page, "Uploading", "Sung", "Sent")
        await chip(page, "All")
        await shows(page, "All", "Given up", "Sung", "Sent")


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "forbidden"])
async def test_a_copied_link_leads_to_the_video_and_one_that_may_not_be_copied_is_shown(
    browser: Browser, platform: Stack, allowed: bool
) -> None:
    name = somebody("alice")
    with without_a_page(platform, name) as alice:
        link = f"{platform.addresses['studio']}#/videos/{given_up(alice, 'Look at this')}"
    device = DESK | {"permissions": ["clipboard-read", "clipboard-write"] if allowed else []}
    async with studio_of(browser, platform, name, device) as studio:
        page = studio.page
        await page.goto(link)
        await page.get_by_role("button", name="Copy link").click()
        told = page.get_by_role("status").filter(has_text="The link is copied." if allowed else link)
        await expect(told).to_be_visible()
        if allowed:
            copied = await page.evaluate("navigator.clipboard.readText()")
            await studio.go("upload", "Upload")
            await page.goto(copied)
            await expect(page.get_by_role("heading", level=1, name="Look at this")).to_be_visible()


@asynccontextmanager
async def no_transcodes(platform: Stack) -> AsyncIterator[None]:
    """What is stored stays in the queue meanwhile."""
    await asyncio.to_thread(platform.hold, "media-worker")
    try:
        yield
    finally:
        await asyncio.to_thread(platform.release, "media-worker")


async def fail(platform: Stack, studio: Studio) -> None:
    """Let the catalog hear that the first run of the video on the page has failed for good."""
    failed = TranscodeFailed(
        video_id=studio.page.url.rpartition("/")[2],
        user_id=studio.user_id,
        generation=1,
        code="TRANSCODER_ERROR",
        message="The encoder gave up.",
        attempts=4,
    )
    await asyncio.to_thread(send_event, platform, failed)


def under_way(owner: Person, title: str, category: str) -> None:
    """A video of which nothing is sent yet."""
    becomes(owner, owner.initiate(1000, title=title, category=category)["video_id"], "UPLOADING")


def given_up(owner: Person, title: str) -> str:
    """The id of a video of which the upload was given up, a draft."""
    initiated = owner.initiate(1000, title=title)
    assert owner.delete(f"/v1/uploads/{initiated['upload_id']}").is_success
    becomes(owner, initiated["video_id"], "DRAFT")
    return str(initiated["video_id"])


async def chip(page: Page, state: str) -> None:
    """Ask for the videos in a state (a word), or for all."""
    await page.get_by_role("navigation", name="States").get_by_role("link", name=state, exact=True).click()


async def shows(page: Page, state: str, *titles: str) -> None:
    """Wait until the videos of a state are listed, which are these and no others, newest first."""
    states, articles = page.get_by_role("navigation", name="States"), page.get_by_role("article")
    await expect(states.get_by_role("link", name=state, exact=True)).to_have_attribute("aria-current", "true")
    await expect(articles).to_have_count(len(titles))
    for article, title in enumerate(titles):
        await expect(articles.nth(article)).to_have_accessible_name(title)
