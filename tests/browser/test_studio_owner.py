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
