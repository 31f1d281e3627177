"""All checks, one after the other.

Each request is sent once and by itself: the library's patience would hide what is to be found.
"""

from collections.abc import Callable, Generator, Iterator
from urllib.parse import urlsplit

import httpx

from nextplay_client.cli.doctor.gateway import clean_up, clock, gateway, token, upload
from nextplay_client.cli.doctor.place import TIMEOUT, Failed, Finding, Name, Place, Skipped, cause
from nextplay_client.cli.doctor.playback import playlist, thumbnail
from nextplay_client.cli.doctor.storage import cors, etag, put, storage

CHECKS: tuple[tuple[Name, tuple[Name, ...], Callable[[Place], str]], ...] = (
    ("gateway", (), gateway),
    ("token", ("gateway",), token),
    ("clock", ("gateway",), clock),
    ("upload", ("token",), upload),
    ("storage", ("upload",), storage),
    ("cors", ("storage",), cors),
    ("put", ("storage",), put),
    ("etag", ("put",), etag),
    ("clean-up", ("token",), clean_up),
    ("playlist", ("token",), playlist),
    ("thumbnail", ("token",), thumbnail),
)
"""The name of each, what has to be well before it is worth trying, and how it is tried."""


def examine(
    url: str, bearer: Callable[[], str], origin: str | None = None, category: str = "other"
) -> Generator[Finding, None, None]:
    """Every finding, as it is made. `bearer` gives the token, or raises NextPlayError where there is none; `origin` is
    the web page for which S3's CORS is looked at; the gateway's when None.

    Announces an upload of one byte, and removes it and its video again. Raises nothing.
    """
    split = urlsplit(url)
    with httpx.Client(timeout=TIMEOUT) as http:
        place = Place(url.rstrip("/"), bearer, origin or f"{split.scheme}://{split.netloc}", category, http)
        try:
            yield from _findings(place)
        finally:
            # Who stops in between leaves nothing behind either.
            if place.announced:
                _finding("clean-up", clean_up, place)


def _findings(place: Place) -> Iterator[Finding]:
    missing: set[Name] = set()
    for name, needs, check in CHECKS:
        lacking = next((need for need in needs if need in missing), None)
        if lacking is None:
            finding = _finding(name, check, place)
        else:
            finding = Finding(name, "skipped", f"not tried: it needs the check of {lacking}")
        if finding.outcome != "ok":
            missing.add(name)
        yield finding


def _finding(name: Name, check: Callable[[Place], str], place: Place) -> Finding:
    try:
        return Finding(name, "ok", check(place))
    except Failed as failed:
        return Finding(name, "skipped" if isinstance(failed, Skipped) else "failed", failed.said, failed.advice)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Finding(name, "failed", f"no answer: {cause(error)}", "Look at the network between here and there.")
    except (ValueError, LookupError, TypeError):
        said = "what was answered is not what a NextPlay gateway answers"
        return Finding(name, "failed", said, "Check the address; a proxy may answer in its place.")
