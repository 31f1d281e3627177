"""The main views of Studio with something to see in them."""

import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from deploy.local.stack import Stack
from tests.browser.clips import broken
from tests.browser.studio import without_a_page
from tests.e2e.people import Person, make_clip, until


@dataclass(frozen=True)
class View:
    """A page of Studio: `fragment` is its address, `heading` what it says when it is there."""

    name: str
    fragment: str
    heading: str


@dataclass(frozen=True)
class Lively:
    """Somebody with videos in several states, who follows somebody who has published."""

    name: str
    own_id: str
    rejected_id: str
    followed_id: str

    @property
    def views(self) -> Sequence[View]:
        return (
            View("upload", "upload", "Upload"),
            View("videos", "videos", "Your videos"),
            View("own-video", f"videos/{self.own_id}", OWN[1]),
            View("rejected", f"videos/{self.rejected_id}", "Thumbs over the lens"),
            View("following", "following", "Following"),
            View("discover", "discover", "Discover"),
            View("watch", f"videos/{self.followed_id}", FOLLOWED[0]),
            View("inbox", "inbox", "Inbox"),
            View("settings", "settings", "Settings"),
        )


OWN = ("Corner kick, second try", "First goal of the season", "Warm-up before the derby")
FOLLOWED = ("Rooftop session", "Two chords, one take", "Sunday jam")
SOURCES = (
    "gradients=size=1280x720:rate=30:nb_colors=4:speed=0.02:seed={seed}",
    "mandelbrot=size=1280x720:rate=30:start_scale=0.{seed}:end_scale=0.1",
    "gradients=size=720x1280:rate=30:nb_colors=3:speed=0.03:type=radial:seed={seed}",
)


def enliven(platform: Stack, name: str, other: str, folder: Path) -> Lively:
    """Have `name` and `other` upload, publish and follow; returns when everything is ready."""
    with ExitStack() as opened:
        me_person, them_person = (opened.enter_context(without_a_page(platform, one)) for one in (name, other))
        assert me_person.put(f"/v1/users/{them_person.user_id}/follow").is_success
        clips = [_picture(folder, seed) for seed in range(len(SOURCES))]
        own = [(title, clip) for title, clip in zip(OWN, clips, strict=True)]
        own.append(("Thumbs over the lens", broken(clips[0], folder / f"{uuid.uuid4().hex}.mp4")))
        theirs = [(title, clip) for title, clip in zip(FOLLOWED, reversed(clips), strict=True)]
        with ThreadPoolExecutor(3) as pool:
            mine = list(pool.map(lambda one: me_person.upload(one[1], title=one[0], category="sports"), own))
            uploaded = list(pool.map(lambda one: them_person.upload(one[1], title=one[0], category="music"), theirs))
        for video in mine[:-1] + uploaded:
            video.becomes("READY", seconds=180)
        mine[-1].becomes("REJECTED_FORMAT", seconds=180)
        for video in [*mine[1:-1], *reversed(uploaded)]:
            assert video.owner.post(f"/v1/videos/{video.video_id}/publish").is_success
        told = "the followed person's videos in the inbox"
        until(lambda: _unread(me_person) >= len(mine) + len(uploaded) or None, seconds=60, what=told)
        return Lively(name, mine[1].video_id, mine[-1].video_id, uploaded[0].video_id)


def _unread(person: Person) -> int:
    return int(person.get("/v1/notifications").json()["unread_count"])


def _picture(folder: Path, seed: int) -> Path:
    return make_clip(folder / f"picture-{seed}.mp4", seconds=4, picture=SOURCES[seed].format(seed=seed + 3))
