"""Long lists: coming back to them, and the clips that play in them."""

import asyncio
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, Request, Route, expect

from deploy.local.stack import Stack
from tests.browser.chromium import DESK, PHONE
from tests.browser.studio import WAIT_MS, Studio, somebody, studio_of, without_a_page

LONG, PAGE = 60, 20
Entry = dict[str, Any]


@pytest.fixture(scope="module")
def published(platform: Stack, clip: Path) -> Iterator[Entry]:
    """A clip as lists have it, which is published and plays."""
    with without_a_page(platform, somebody("carol")) as carol:
        video = carol.upload(clip, title="Carol's clip", category="music")
        video.becomes("READY")
        assert carol.post(f"/v1/videos/{video.video_id}/publish").is_success
        [entry] = carol.get(f"/v1/users/{carol.user_id}/videos").json()["videos"]
        yield entry


def many(entry: Entry, count: int = LONG) -> list[Entry]:
    """So many like it, each with an id and a title of its own."""
    return [entry | {"video_id": str(uuid.uuid4()), "title": f"Clip {number}"} for number in range(count)]


async def have_list(page: Page, path: str, entries: list[Entry]) -> None:
    """Answer a list of the API in pages."""

    async def answer(route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        start = int(asked.get("page_token", ["0"])[0])
        end = start + PAGE
        following = str(end) if end < len(entries) else ""
        await route.fulfill(json={"videos": entries[start:end], "next_page_token": following})

    await page.route(lambda url: urlsplit(url).path == path, answer)


async def have_video(page: Page, entry: Entry, change: Callable[[Entry], Entry]) -> None:
    """Answer for a video what the API answers, changed."""

    async def answer(route: Route) -> None:
        reply = await route.fetch()
        await route.fulfill(response=reply, json=change(await reply.json()))

    await page.route(lambda url: urlsplit(url).path == f"/v1/videos/{entry['video_id']}", answer)


@pytest.mark.parametrize(
    ("fragment", "heading", "path", "device"),
    [
        ("videos", "Your videos", "/v1/videos", DESK),
        ("following", "Following", "/v1/feed", PHONE),
        ("discover?category=music", "Discover", "/v1/feed/discover", DESK),
    ],
)
async def test_back_leads_to_the_place_in_the_list_that_was_left(
    browser: Browser, platform: Stack, published: Entry, fragment: str, heading: str, path: str, device: dict[str, Any]
) -> None:
    async with studio_of(browser, platform, somebody("alice"), device) as studio:
        page = studio.page
        await have_list(page, path, many(published))
        await studio.go(fragment, heading)
        for shown in (PAGE, 2 * PAGE):
            await expect(page.get_by_role("article")).to_have_count(shown)
            await page.get_by_role("button", name="Show more").click()
        article = page.get_by_role("article", name="Clip 47", exact=True)
        await article.scroll_into_view_if_needed()
        left_at = await page.evaluate("scrollY")
        assert left_at > 0
        await article.get_by_role("link", name="Clip 47").click()
        await expect(page.get_by_role("heading", level=1, name="Video")).to_be_visible()
        assert await page.evaluate("scrollY") == 0

        await page.go_back()
        await expect(page.get_by_role("heading", level=1, name=heading)).to_be_attached()
        await expect(article).to_be_in_viewport()
        assert await page.evaluate("scrollY") == left_at
        await expect(page.get_by_role("article")).to_have_count(LONG)


async def test_who_comes_back_sees_what_has_changed_meanwhile(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        entries = many(published, 3)
        await have_list(page, "/v1/videos", entries)
        await studio.go("videos", "Your videos")
        await page.get_by_role("link", name="Clip 1").click()
        await expect(page.get_by_role("heading", level=1, name="Video")).to_be_visible()
        entries[1]["title"] = "Renamed"
        del entries[2]
        await page.go_back()
        await expect(page.get_by_role("article", name="Renamed")).to_be_visible()
        await expect(page.get_by_role("article")).to_have_count(2)


async def test_another_person_in_the_same_tab_finds_no_list_of_the_one_before(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await have_list(page, "/v1/videos", many(published, 3))
        await studio.go("videos", "Your videos")
        await expect(page.get_by_role("article")).to_have_count(3)
        await studio.go("settings", "Settings")
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("textbox", name="Another name").fill(somebody("bob"))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", level=1, name="Settings")).to_be_visible()
        answers = asyncio.Event()
        await page.route(lambda url: urlsplit(url).path == "/v1/videos", lambda _: answers.wait())
        await page.go_back()
        await expect(page.get_by_role("heading", level=1, name="Your videos")).to_be_visible()
        await expect(page.get_by_role("article")).to_have_count(0)
        answers.set()


async def test_a_clip_whose_address_has_run_out_plays_at_the_first_try(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        old = published | {"hls_url": spoilt(published["hls_url"])}
        refused: list[int] = []
        page.on("response", lambda reply: refused.append(reply.status) if reply.url == old["hls_url"] else None)
        await have_list(page, "/v1/feed/discover", [old])
        await studio.go("discover", "Discover")
        await page.get_by_role("button", name="Play Carol's clip").click()
        await plays_by_itself(studio)
        assert refused == [403]
        await expect(page.get_by_role("alert")).to_have_count(0)


async def test_a_clip_that_cannot_play_tells_so_and_is_not_asked_for_without_end(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        asked: list[Request] = []
        page.on("request", lambda request: asked.append(request) if "m3u8" in request.url else None)
        await page.route("**/*.m3u8*", lambda route: route.fulfill(status=403))
        await have_list(page, "/v1/feed/discover", [published])
        await studio.go("discover", "Discover")
        await page.get_by_role("button", name="Play Carol's clip").click()
        await expect(page.get_by_role("alert")).to_contain_text("cannot be played")
        assert len(asked) == 2, "the address that was known, and a fresh one"
        await page.unroute("**/*.m3u8*")
        await page.get_by_role("button", name="Try again").click()
        await plays_by_itself(studio)


async def test_a_clip_without_a_stream_plays_its_largest_file(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await have_list(page, "/v1/feed/discover", [{name: published[name] for name in published if name != "hls_url"}])
        await have_video(page, published, lambda video: video | {"assets": without(video, "HLS")})
        await studio.go("discover", "Discover")
        await page.get_by_role("button", name="Play Carol's clip").click()
        await plays_by_itself(studio)
        playing = await page.locator("video.player-video").evaluate("(video) => video.currentSrc")
        assert urlsplit(playing).path.endswith("/720p/video.mp4")


async def test_a_clip_that_has_nothing_to_play_says_so(browser: Browser, platform: Stack, published: Entry) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await have_list(page, "/v1/feed/discover", [{name: published[name] for name in published if name != "hls_url"}])
        await have_video(page, published, lambda video: video | {"assets": []})
        await studio.go("discover", "Discover")
        await page.get_by_role("button", name="Play Carol's clip").click()
        told = page.get_by_role("status").filter(has_text="“Carol's clip” has nothing that can be played.")
        await expect(told).to_be_visible()


async def test_one_clip_plays_at_a_time_and_none_that_is_scrolled_away(
    browser: Browser, platform: Stack, published: Entry
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await have_list(page, "/v1/feed/discover", many(published, PAGE))
        await studio.go("discover", "Discover")
        first, second = (page.get_by_role("article", name=f"Clip {number}", exact=True) for number in (0, 1))
        await first.get_by_role("button", name="Play").click()
        await plays_by_itself(studio)
        await second.get_by_role("button", name="Play").click()
        await expect(second.locator("video.player-video")).to_have_count(1)
        await expect(page.locator("video.player-video")).to_have_count(1)
        await plays_by_itself(studio)
        await page.get_by_role("article", name=f"Clip {PAGE - 1}").scroll_into_view_if_needed()
        await expect(page.locator("video.player-video")).to_have_count(0)
        await first.scroll_into_view_if_needed()
        await expect(second.get_by_role("button", name="Play")).to_be_visible()


async def test_what_came_while_one_was_marked_as_read_stays_in_the_list(browser: Browser, platform: Stack) -> None:
    same = {"kind": "video_published", "body": "", "next_action": "", "created_at": "2026-01-01T00:00:00Z"}
    told = [same | {"notification_id": str(uuid.uuid4()), "title": f"Told {number}"} for number in range(2 * PAGE)]
    marked = asyncio.Event()

    async def answer(route: Route) -> None:
        start = PAGE if "page_token" in route.request.url else 0
        following = "" if start else "more"
        await route.fulfill(json={"notifications": told[start : start + PAGE], "next_page_token": following})

    async def mark(route: Route) -> None:
        await marked.wait()
        await route.fulfill(json={"unread_count": 0})

    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await page.route("**/v1/notifications?page_size=30*", answer)
        await page.route("**/v1/notifications/read", mark)
        await studio.go("inbox", "Inbox")
        rows = page.get_by_role("list", name="Notifications").get_by_role("listitem")
        await rows.first.get_by_role("button", name="Mark as read").click()
        await page.get_by_role("button", name="Show more").click()
        await expect(rows).to_have_count(2 * PAGE)
        marked.set()
        await expect(rows.first.get_by_role("button", name="Mark as read")).to_have_count(0)
        await expect(rows).to_have_count(2 * PAGE)


@pytest.mark.parametrize(
    ("page_name", "heading", "way_back"),
    [("discover", "Discover", "Discover everything"), ("videos", "Your videos", "All your videos")],
)
async def test_a_category_that_there_is_not_is_told_with_the_way_back(
    browser: Browser, platform: Stack, page_name: str, heading: str, way_back: str
) -> None:
    async with studio_of(browser, platform, somebody("alice")) as studio:
        page = studio.page
        await studio.go(f"{page_name}?category=nonsense", heading)
        await expect(page.get_by_role("heading", name="There is no category “nonsense”")).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)
        await page.get_by_role("link", name=way_back).click()
        await expect(page.get_by_role("heading", name="There is no category")).to_have_count(0)
        assert urlsplit(page.url).fragment == f"/{page_name}"


async def plays_by_itself(studio: Studio) -> None:
    """Wait until the one video of the page has played a little."""
    moves = "() => (document.querySelector('video.player-video')?.currentTime ?? 0) > 0.3"
    await studio.page.wait_for_function(moves, timeout=WAIT_MS)


def without(video: Entry, kind: str) -> list[Entry]:
    return [asset for asset in video["assets"] if asset["kind"] != kind]


def spoilt(url: str) -> str:
    """A playlist's URL with a token that is refused as one is whose time is over."""
    return re.sub(r"(?<=token=)[\w-]+", lambda token: token[0][::-1], url)
