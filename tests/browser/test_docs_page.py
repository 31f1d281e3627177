"""The page of the API's documentation in Chromium."""

from playwright.async_api import Browser, expect

from deploy.local.stack import Stack
from tests.browser.chromium import DESK, watch
from tests.conftest import TokenFor


async def test_a_reader_tries_the_api_with_a_token(browser: Browser, platform: Stack, token_for: TokenFor) -> None:
    context = await browser.new_context(**DESK)
    seen = watch(context)
    page = await context.new_page()
    await page.goto(f"{platform.gateway}/docs")
    await expect(page.get_by_role("heading", name="NextPlay")).to_be_visible()

    await page.get_by_role("button", name="Authorize").first.click()
    await page.get_by_label("auth-bearer-value").fill(token_for("reader-of-docs"))
    await page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply").click()
    await page.get_by_role("button", name="Close", exact=True).click()

    operation = page.locator("#operations-VideoService-ListVideos")
    await operation.get_by_role("button").first.click()
    await operation.get_by_role("button", name="Try it out").click()
    await operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table tbody tr").first
    await expect(live.locator(".response-col_status")).to_contain_text("200")
    await expect(live).to_contain_text('"videos": []')

    seen.assert_clean([platform.gateway])
    await context.close()
