"""Whether what was made of a clip can be read from here."""

from typing import Any
from urllib.parse import urljoin

import httpx

from nextplay_client.cli.doctor.place import Failed, Place, Skipped, answer


def playlist(place: Place) -> str:
    """Whether a video plays: its master playlist, one of the variants, and the beginning of a segment."""
    master = _playable(place)["hls_url"]
    variant = urljoin(master, _entries(place, master)[0])
    segment = urljoin(variant, _entries(place, variant)[0])
    with place.http.stream("GET", segment) as reply:
        if reply.status_code != 200:
            raise _unreadable("a segment", reply)
        next(reply.iter_raw(1024), b"")
    return "the playlists and a segment of a video can be read"


def thumbnail(place: Place) -> str:
    """Whether a video's picture can be read."""
    reply = place.http.get(_playable(place)["thumbnail_url"])
    if reply.status_code != 200:
        raise _unreadable("the thumbnail", reply)
    if not reply.headers.get("content-type", "").startswith("image/"):
        raise Failed(
            f"the thumbnail is {reply.headers.get('content-type', 'of no type')}",
            "Something between here and S3 changes replies: a proxy, or a page to sign in to the network.",
        )
    return "the thumbnail of a video can be read"


def _playable(place: Place) -> dict[str, Any]:
    """A video that has been READY: an own one, or one of everybody's."""
    for path in ("/v1/videos?page_size=100", "/v1/feed/discover?page_size=20"):
        for video in answer(place, "GET", path)["videos"]:
            if video.get("hls_url") and video.get("thumbnail_url"):
                return dict(video)
    raise Skipped("there is no video to try it with", "Upload a clip and check again when it is ready.")


def _entries(place: Place, address: str) -> list[str]:
    """What a playlist names. Raises Failed where it is none."""
    reply = place.http.get(address)
    lines = [line.strip() for line in reply.text.splitlines()]
    if reply.status_code != 200:
        raise _unreadable("a playlist", reply)
    named = [line for line in lines if line and not line.startswith("#")]
    if lines[:1] != ["#EXTM3U"] or not named:
        raise Failed(
            "what comes instead of a playlist is none",
            "Something between here and the gateway changes replies: a proxy, or a page to sign in to the network.",
        )
    return named


def _unreadable(what: str, reply: httpx.Response) -> Failed:
    return Failed(
        f"{what} was answered {reply.status_code} by {reply.request.url.host}",
        "Its URL was signed just now: tell the operators, with the time.",
    )
