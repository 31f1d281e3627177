"""The examples that run in pages, built as their reader builds them, on an origin that the API is told of."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from deploy.local.home import ROOT
from deploy.local.stack import Stack
from tests.browser.chromium import Seen, launched, watch
from tests.browser.clips import padded
from tests.browser.elsewhere import gateway_for, https_before, web_server
from tests.conftest import TokenFor
from tests.e2e.conftest import MakePerson

READY_MS = 60_000
MIB = 1024 * 1024
SPECIFIED_BYTES = 45_678_901
"""What the specification's client announces, whatever it is given."""


class Elsewhere:
    """The examples at an `origin` of their own, and the `api` that lets it call."""

    def __init__(self, origin: str, api: str) -> None:
        self.origin, self.api = origin, api


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples with what is built of them."""
    folder = tmp_path_factory.mktemp("examples") / "site"
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    build = f"cd '{folder}' && npm ci --silent --no-audit --no-fund --prefer-offline && npm run --silent build"
    subprocess.run([ROOT / "deploy/local/web.sh", "sh", "-c", build], check=True, timeout=180)
    return folder


@pytest.fixture(scope="module")
def elsewhere(platform: Stack, site: Path) -> Iterator[Elsewhere]:
    with web_server(site) as origin, gateway_for(origin, platform, site.parent) as api:
        yield Elsewhere(origin, api)


async def opened(browser: Browser, url: str) -> tuple[Page, Seen]:
    """A page, and what went on in it."""
    context = await browser.new_context()
    seen = watch(context)
    page = await context.new_page()
    await page.goto(url)
    return page, seen


async def test_uppys_own_s3_plugin_uploads_in_parts(
    browser: Browser, elsewhere: Elsewhere, person: MakePerson, clip: Path, tmp_path: Path
) -> None:
    alice = person("alice")
    token = alice.http.headers["Authorization"].removeprefix("Bearer ")
    page, seen = await opened(browser, f"{elsewhere.origin}/uppy/#api={quote(elsewhere.api)}&token={token}")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    await page.get_by_label("A clip").set_input_files(padded(clip, 11 * MIB, tmp_path / "clip.mp4"))
    output = page.locator("output")
    await expect(output).to_contain_text("stored", timeout=READY_MS)
    video_id = (await output.inner_text()).removeprefix("stored ")
    assert alice.get(f"/v1/videos/{video_id}/status").json()["status"] not in ("DRAFT", "UPLOADING")
    assert len(sent) == 2
    assert not [url for url in sent if token in url]

    assert not seen.wrong
    await page.context.close()


async def test_hls_js_plays_a_published_video(
    browser: Browser, platform: Stack, elsewhere: Elsewhere, person: MakePerson, clip: Path
) -> None:
    alice = person("alice")
    uploaded = alice.upload(clip)
    uploaded.becomes("READY")
    alice.post(f"/v1/videos/{uploaded.video_id}/publish")
    assets = alice.get(f"/v1/videos/{uploaded.video_id}").json()["assets"]
    (playlist,) = (asset["url"] for asset in assets if asset["kind"] == "HLS")
    playlist = playlist.replace(platform.gateway, elsewhere.api)  # the gateway that lets this origin call

    page, seen = await opened(browser, f"{elsewhere.origin}/hls/#playlist={quote(playlist, safe='')}")
    await expect(page.locator("output")).to_contain_text("240p")
    await page.wait_for_function("document.querySelector('video').currentTime > 1")
    quality = await page.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
    assert quality > 10
    assert not seen.wrong
    await page.context.close()


async def test_the_specifications_own_javascript_runs_as_it_is_printed(
    platform: Stack, elsewhere: Elsewhere, token_for: TokenFor, clip: Path, tmp_path: Path
) -> None:
    file = padded(clip, SPECIFIED_BYTES, tmp_path / "video.mp4")
    async with https_before(elsewhere.api, "api.nextplay.com", tmp_path) as port:
        flags = f"--host-resolver-rules=MAP api.nextplay.com:443 127.0.0.1:{port}", "--ignore-certificate-errors"
        async with launched(*flags) as browser:
            url = f"{elsewhere.origin}/specification/#token={token_for('specification')}"
            page, seen = await opened(browser, url)
            await page.locator("input").set_input_files(file)
            await expect(page.locator("output")).to_contain_text("published_at", timeout=READY_MS)
            told = [json.loads(line) for line in (await page.locator("output").text_content() or "").splitlines()]
            assert not seen.wrong
    assert set(told[0]) == {"upload_id", "video_id", "s3_upload_id"}
    assert told[1] == {"completed": told[0]["video_id"], "status": "UPLOADED"}
    assert told[-2] == {"status": "READY", "progress": 100}
    assert told[-1]["status"] == "PUBLISHED"
