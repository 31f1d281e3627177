"""The platform's main job once, as its users see it: a clip goes from upload to a follower's feed and inbox."""

import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import httpx

from deploy.local.control import Message
from deploy.local.home import Trouble
from deploy.local.identity import user_id
from nextplay_client import Asset, Client, NextPlayError, Notification, Video, VideoSummary
from nextplay_client.cli.output import Output
from nextplay_client.cli.progress import shown

_FEED_SECONDS = 30

T = TypeVar("T")


def demo(addresses: Message, clip: Path) -> None:
    """Uploads and publishes `clip` as a new user whom another one follows, and prints what the follower gets and
    every asset. `addresses` is what stack.json holds. Raises `Trouble` with the reason when it does not get there."""
    # New people each time, because a user may start ten uploads an hour.
    run = uuid.uuid4().hex[:8]
    creator, follower = f"alice-{run}", f"bob-{run}"
    try:
        with (
            Client(addresses["gateway"], _token(addresses["identity"], creator)) as alice,
            Client(addresses["gateway"], _token(addresses["identity"], follower)) as bob,
        ):
            bob.follow(str(user_id(creator)))
            print(f"{follower} follows {creator}, who uploads {clip.name} ({clip.stat().st_size / 1e6:.1f} MB)")
            video = _published(alice, clip)
            print(f"{video['status']}: {video['title']!r}, video {video['video_id']}\n")
            _show_follower(bob, follower, video)
        for asset in video["assets"]:
            _show_asset(asset)
    except (NextPlayError, httpx.HTTPError) as error:
        raise Trouble(f"The clip did not get through: {error}") from error


def _published(alice: Client, clip: Path) -> Video:
    """The clip uploaded and published, with its progress on standard error."""
    with shown(Output(as_json=False)) as progress:
        upload = alice.upload(
            clip, title=_title(clip), category="sports", on_progress=partial(progress.uploaded, clip.name)
        )
        alice.publish(upload["video_id"], when_ready=True)
        alice.wait(upload["video_id"], on_status=partial(progress.moved, clip.name))
    return alice.video(upload["video_id"])


def _token(issuer: str, user: str) -> str:
    reply = httpx.post(f"{issuer}/token", json={"user": user}, timeout=5, trust_env=False).raise_for_status()
    return str(reply.json()["token"])


def _title(clip: Path) -> str:
    return clip.stem.replace("_", " ").strip()[:80] or "A clip"


def _show_follower(bob: Client, follower: str, video: Video) -> None:
    def in_feed() -> VideoSummary | None:
        return next((entry for entry in bob.feed() if entry["video_id"] == video["video_id"]), None)

    def in_inbox() -> Notification | None:
        inbox = bob.notifications.list()
        return next((entry for entry in inbox if entry["video_id"] == video["video_id"]), None)

    entry = _soon(in_feed, f"The video {video['video_id']} is not in the feed of its follower")
    print(f"In {follower}'s feed: {entry['title']!r}, published {entry.get('published_at')}")
    notification = _soon(in_inbox, f"The follower was not notified of the video {video['video_id']}")
    print(f"In {follower}'s inbox: {notification['title']} {notification['body']}\n")


def _soon(look: Callable[[], T | None], otherwise: str) -> T:
    """What `look` finds within half a minute."""
    deadline = time.monotonic() + _FEED_SECONDS
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Trouble(f"{otherwise} after {_FEED_SECONDS} seconds.")
        time.sleep(0.2)
    return found


def _show_asset(asset: Asset) -> None:
    """Prints an asset, and makes sure that its URL plays."""
    with httpx.stream("GET", asset["url"], timeout=10, trust_env=False) as reply:
        if reply.status_code != 200:
            raise Trouble(f"The URL of {asset['kind']} answers {reply.status_code}: {asset['url']}")
    size = f"{asset['size_bytes'] / 1e6:.2f} MB" if asset["size_bytes"] else ""
    bitrate = f"{asset['bitrate_bps'] / 1e3:.0f} kbit/s" if asset["bitrate_bps"] else ""
    picture = f"{asset['width']}x{asset['height']}" if asset["width"] else ""
    print(f"{asset['kind']:8} {picture:10} {size:>9} {bitrate:>12}\n  {asset['url']}")
