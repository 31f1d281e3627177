"""What an owner does with a video that is there."""

from pathlib import Path

from playwright.async_api import Browser, expect

from deploy.local.stack import Stack
from tests.browser.studio import somebody, studio_of


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
