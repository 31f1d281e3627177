"""`make screenshots`: the main views of Studio as small PNGs in docs/images, from a platform of their own."""

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from playwright.async_api import expect

from deploy.local.home import ROOT
from deploy.local.lifecycle import start, stop
from deploy.local.stack import Stack, attach
from tests.browser.chromium import DESK, PHONE, launched
from tests.browser.conftest import lacking
from tests.browser.studio import studio_of
from tests.browser.views import Lively, enliven
from tests.e2e.people import make_clip

IMAGES = ROOT / "docs" / "images"
WIDE: dict[str, Any] = DESK | {"viewport": {"width": 1120, "height": 700}}
TALL: dict[str, Any] = PHONE | {"viewport": {"width": 360, "height": 720}, "device_scale_factor": 1.5}
SHOTS: Mapping[str, tuple[dict[str, Any], str]] = {
    "upload": (WIDE, "light"),
    "videos": (WIDE, "light"),
    "own-video": (WIDE, "dark"),
    "rejected": (TALL, "light"),
    "following": (TALL, "light"),
    "watch": (TALL, "dark"),
    "inbox": (TALL, "dark"),
}
"""What is shown how: a view on a device in a colour scheme."""
SHOWN = """() => [...document.images]
    .filter((image) => image.getBoundingClientRect().top < innerHeight)
    .every((image) => image.complete && image.naturalWidth > 0)"""
"""Whether all images in sight are there."""
SMALLER = "split[whole][looked];[looked]palettegen=max_colors=160[palette];[whole][palette]paletteuse=dither=none"
"""Few colours, which is what makes a PNG small."""


def main() -> int:
    """Exit status: 0 taken, 1 there is no browser or no Studio."""
    if reason := lacking():
        print(f"No screenshots: {reason}.", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="nextplay-shots-") as directory:
        home = Path(directory)
        start(home, with_parent=True)
        try:
            platform = attach(home)
            lively = enliven(platform, "alice", "bob", home)
            clip = make_clip(home / "free-kick.mp4", seconds=12, size="1280x720")
            asyncio.run(_take(platform, lively, clip, home))
        finally:
            stop(home)
    return 0


async def _take(platform: Stack, lively: Lively, clip: Path, folder: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    views = {view.name: view for view in lively.views}
    async with launched() as browser:
        for name, (device, scheme) in SHOTS.items():
            async with studio_of(browser, platform, lively.name, device | {"color_scheme": scheme}) as studio:
                view, page = views[name], studio.page
                await studio.go(view.fragment, view.heading)
                if name == "upload":
                    card = await studio.choose(clip)
                    await studio.send(card, "Free kick from thirty metres")
                    await expect(card.get_by_role("status").first).to_contain_text("Processing", timeout=60_000)
                await expect(page.get_by_role("status").filter(has_text=re.compile("^Loading"))).to_have_count(0)
                for video in await page.locator("video.player-video").all():
                    await studio.play(video)
                    await video.evaluate("(video) => video.pause()")
                await page.wait_for_function(SHOWN)
                taken = folder / f"{name}.png"
                await page.screenshot(path=taken, animations="disabled")
            await asyncio.to_thread(_shrink, taken, IMAGES / f"studio-{name}.png")


def _shrink(taken: Path, to: Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-i", str(taken), "-vf", SMALLER]
    subprocess.run([*command, "-frames:v", "1", "-update", "1", "-pred", "mixed", str(to)], check=True, timeout=60)
    print(f"{to.relative_to(ROOT)}  {to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    sys.exit(main())
