"""Studio without a mouse, and without eyes: axe finds nothing serious, and the keyboard alone is enough."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from tests.browser.chromium import DESK, PHONE
from tests.browser.studio import WAIT_MS, somebody, studio_of
from tests.browser.views import Lively, enliven

AXE = (ROOT / "web/node_modules/axe-core/axe.min.js").read_text
SERIOUS = """async () => {
    // Halfway through a transition colours are what nobody reads.
    const passing = document.getAnimations().filter(({ effect }) => effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(passing.map(({ finished }) => finished));
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ").slice(0, 300)}`);
}"""
LOADING = re.compile("^Loading")
MOST_TABS = 60


@pytest.fixture(scope="module")
def lively(platform: Stack, tmp_path_factory: pytest.TempPathFactory) -> Lively:
    return enliven(platform, somebody("alice"), somebody("bob"), tmp_path_factory.mktemp("lively"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing_serious(
    browser: Browser, platform: Stack, lively: Lively, clip: Path, device: dict[str, Any], scheme: str
) -> None:
    found: dict[str, list[str]] = {}
    async with studio_of(browser, platform, lively.name, device | {"color_scheme": scheme}) as studio:
        for view in lively.views:
            await studio.go(view.fragment, view.heading)
            if view.name == "upload":
                await studio.choose(clip)
            await expect(studio.page.get_by_role("status").filter(has_text=LOADING)).to_have_count(0)
            found[view.name] = await serious(studio.page)
        await studio.page.get_by_role("button", name="Sign out").click()
        await expect(studio.page.get_by_role("heading", name="Sign in to Studio")).to_be_visible()
        found["sign-in"] = await serious(studio.page)
    assert not {view: wrong for view, wrong in found.items() if wrong}


async def serious(page: Page) -> list[str]:
    """What axe calls serious or critical in the page as it is."""
    await page.evaluate(AXE())
    return list(await page.evaluate(SERIOUS))


async def test_a_clip_is_uploaded_and_published_by_the_keyboard_alone(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        async with page.expect_file_chooser() as chosen:
            await press(page, page.get_by_role("button", name="Choose clips"))
        await (await chosen.value).set_files(clip)
        card = page.get_by_role("article", name="short.mp4")
        await tab_to(page, card.get_by_role("textbox", name="Title of"))
        await page.keyboard.press("Control+A")
        await page.keyboard.type("By keyboard")
        await tab_to(page, card.get_by_role("checkbox", name="Publish when ready"))
        await page.keyboard.press("Space")
        await press(page, card.get_by_role("button", name="Upload", exact=False))
        await studio.stands(card, "By keyboard", "Ready")
        await press(page, card.get_by_role("link", name="Open video"))
        await press(page, page.get_by_role("button", name="Publish now"))
        await expect(page.get_by_role("status").filter(has_text="Published.")).to_be_visible(timeout=WAIT_MS)


async def press(page: Page, wanted: Locator) -> None:
    await tab_to(page, wanted)
    await page.keyboard.press("Enter")


async def tab_to(page: Page, wanted: Locator) -> None:
    """Move the focus there by the Tab key."""
    await expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if await wanted.evaluate("(wanted) => wanted === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {wanted}")
