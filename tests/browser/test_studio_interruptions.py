"""What comes between: a reload, a network that is away, a pause, and clips that cannot be used."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from deploy.local.stack import Stack
from tests.browser.clips import broken, padded
from tests.browser.studio import WAIT_MS, Parts, held, somebody, studio_of
from tests.e2e.people import make_clip

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def large_clip(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 31 MiB, so of four parts."""
    return padded(clip, 31 * MIB, tmp_path_factory.mktemp("large") / "large.mp4")


async def test_after_a_reload_the_missing_parts_alone_are_sent(
    browser: Browser, platform: Stack, large_clip: Path, tmp_path: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        # The bar tells what was sent; S3 keeps a part once it has answered.
        answered = asyncio.Semaphore(0)
        page.on("requestfinished", lambda request: answered.release() if request.method == "PUT" else None)
        before = await held(studio, large_clip, "Reloaded", held_from=3)
        async with asyncio.timeout(WAIT_MS / 1000):
            for _ in (1, 2):
                await answered.acquire()
        await page.reload()
        await page.unroute_all(behavior="ignoreErrors")
        before.go_on.set()

        await expect(page.get_by_role("heading", name="Unfinished uploads")).to_be_visible()
        unfinished = page.get_by_role("article", name="large.mp4")
        await expect(unfinished.get_by_role("progressbar")).to_have_js_property("value", 64)
        other = padded(large_clip, 32 * MIB, tmp_path / "other.mp4")
        await unfinished.get_by_label("File of large.mp4").set_input_files(other)
        await expect(unfinished.get_by_role("alert")).to_contain_text("another file")

        after = Parts(held_from=100)
        await page.route("**/uploads/**", after)
        await unfinished.get_by_label("File of large.mp4").set_input_files(large_clip)
        await studio.stands(page.get_by_role("article", name="large.mp4"), "Reloaded", "Ready")
        assert sorted(after.sent) == [3, 4]


async def test_without_a_network_an_upload_waits_and_goes_on_by_itself(
    browser: Browser, platform: Stack, large_clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        parts = await held(studio, large_clip, "Offline", held_from=3)
        card = studio.page.get_by_role("article", name="large.mp4")
        await studio.page.context.set_offline(True)
        parts.go_on.set()
        await expect(card.get_by_role("status")).to_contain_text("Waiting for the connection", timeout=WAIT_MS)
        await studio.page.context.set_offline(False)
        await studio.stands(card, "Offline", "Ready")


async def test_a_list_that_could_not_be_loaded_comes_with_the_network(browser: Browser, platform: Stack) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        await studio.page.context.set_offline(True)
        await studio.go("videos", "Your videos")
        await expect(studio.page.get_by_role("alert")).to_contain_text("You are offline.")
        await studio.page.context.set_offline(False)
        await expect(studio.page.get_by_role("heading", name="No videos yet")).to_be_visible()


async def test_an_upload_is_paused_and_resumed(browser: Browser, platform: Stack, large_clip: Path) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        parts = await held(studio, large_clip, "Paused", held_from=2)
        card = studio.page.get_by_role("article", name="large.mp4")
        await card.get_by_role("button", name="Pause large.mp4").click()
        await expect(card.get_by_role("status")).to_contain_text("Paused")
        parts.go_on.set()
        await card.get_by_role("button", name="Resume large.mp4").click()
        await studio.stands(card, "Paused", "Ready")


async def test_a_file_that_changes_on_the_way_is_told_and_begun_anew(
    browser: Browser, platform: Stack, clip: Path, tmp_path: Path
) -> None:
    changing = padded(clip, 31 * MIB, tmp_path / "changing.mp4")
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        parts = await held(studio, changing, "Edited once more", held_from=2)
        padded(clip, 11 * MIB, changing)
        parts.go_on.set()
        card = page.get_by_role("article", name="changing.mp4")
        await expect(card.get_by_role("alert")).to_contain_text("changed or deleted", timeout=WAIT_MS)
        await card.get_by_label("File of changing.mp4").set_input_files(changing)
        await expect(card.get_by_role("textbox", name="Title of")).to_have_value("Edited once more")
        await card.get_by_role("button", name="Upload", exact=False).click()
        await studio.stands(card, "Edited once more", "Ready")
        await studio.go("videos", "Your videos")
        await expect(page.get_by_role("article")).to_have_count(1)


async def test_a_new_upload_that_is_cancelled_leaves_no_draft(
    browser: Browser, platform: Stack, large_clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        card = page.get_by_role("article", name="large.mp4")
        parts = await held(studio, large_clip, "Given up", held_from=2)
        await card.get_by_role("button", name="Cancel large.mp4").click()
        await expect(page.get_by_role("status").filter(has_text="“Given up” is given up.")).to_be_visible()
        parts.go_on.set()
        await studio.go("videos", "Your videos")
        await expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()

        await studio.go("upload", "Upload")
        parts = await held(studio, large_clip, "Left behind", held_from=2)
        await page.reload()
        await page.unroute_all(behavior="ignoreErrors")
        parts.go_on.set()
        await card.get_by_role("button", name="Discard large.mp4").click()
        await expect(page.get_by_role("heading", name="Unfinished uploads")).to_have_count(0)
        await studio.go("videos", "Your videos")
        await expect(page.get_by_role("heading", name="No videos yet")).to_be_visible()


async def test_a_clip_that_is_too_long_is_refused_before_a_byte_is_sent(
    browser: Browser, platform: Stack, tmp_path: Path
) -> None:
    long = make_clip(tmp_path / "long.mp4", seconds=31, size="64x64", fps=5)
    async with studio_of(browser, platform, somebody("alice")) as studio:
        card = await studio.choose(long)
        await expect(card.get_by_role("alert")).to_contain_text("31")
        await expect(card.get_by_role("alert")).to_contain_text("30 s")
        await expect(card.get_by_role("button", name="Upload long.mp4")).not_to_be_attached()
        assert not [url for url in studio.seen.requests if "/v1/uploads/initiate" in url]


async def test_a_clip_that_the_platform_rejects_tells_why_and_takes_another_file(
    browser: Browser, platform: Stack, clip: Path, tmp_path: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        card = await studio.choose(broken(clip, tmp_path / "broken.mp4"))
        await studio.send(card, "Broken")
        await studio.stands(card, "Broken", "Wrong format")
        await expect(card.get_by_role("alert")).to_be_visible()
        await card.get_by_role("link", name="Open video").click()
        await expect(page.get_by_role("alert").first).to_be_visible()
        await page.get_by_label("Other file of Broken").set_input_files(clip)
        again = page.get_by_role("article", name="short.mp4")
        await studio.send(again, "Mended")
        await studio.stands(again, "Mended", "Ready")


async def test_a_token_that_ends_is_replaced_and_nothing_on_the_page_is_lost(
    browser: Browser, platform: Stack, clip: Path
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        card = await studio.choose(clip)
        await card.get_by_role("textbox", name="Title of").fill("Written before")
        ended: list[str] = []

        async def refuse(route: Route) -> None:
            authorization = route.request.headers.get("authorization", "")
            if not ended:
                ended.append(authorization)
            await (route.fulfill(status=401, json={}) if authorization in ended else route.fallback())

        await page.route("**/v1/**", refuse)
        await studio.send(card, "Written before")
        await studio.stands(card, "Written before", "Ready")
        assert ended
