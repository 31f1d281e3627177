"""Playing: for how long URLs hold, what permits a playlist, and what playlists look like when they leave us.

Times are aware UTC.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.errors import Failure, Kind
from services.catalog.domain.video import Status, Visibility, is_open

WINDOW = timedelta(minutes=15)
WINDOW_STEP = timedelta(minutes=5)
MASTER = "master.m3u8"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GRANT = struct.Struct(">I?8s")
_MAC_BYTES = 16
_PLAYLIST_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.m3u8")
_OBJECT_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,16}){1,3}")
_URI = re.compile(r'URI="([^"]*)"')


class PlaybackTokenInvalid(
    Failure,
    kind=Kind.PERMISSION_DENIED,
    code="PLAYBACK_TOKEN_INVALID",
    next_action="Read the video again: its HLS asset carries a fresh URL.",
):
    """The token in the URL is not one of this video, or its time is over."""


class PlaylistNotFound(
    Failure, kind=Kind.NOT_FOUND, code="PLAYLIST_NOT_FOUND", next_action="Begin with the video's master playlist."
):
    """The video has no such playlist."""


class PlaylistBroken(Exception):
    """A stored playlist is not as media writes it: too long, or with a line that names no object beside it."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a signed URL works."""

    starts_at: datetime
    ends_at: datetime


def window_at(now: datetime) -> Window:
    """The window of URLs that are handed out now: 15 minutes from the last full 5 minutes.

    So a URL is the same for everybody, works for 10 minutes at least and for 15 at most.
    """
    starts_at = now - (now - _EPOCH) % WINDOW_STEP
    return Window(starts_at, starts_at + WINDOW)


@dataclass(frozen=True, slots=True)
class Playable:
    """What decides whether a video's playlists may be read; `master_key` is the S3 key of its master playlist."""

    status: Status
    visibility: Visibility
    master_key: str

    def may_be_played(self, *, for_owner: bool) -> bool:
        """The owner plays what is READY or PUBLISHED, others what is PUBLISHED and not private."""
        owners = for_owner and self.status in (Status.READY, Status.PUBLISHED)
        return owners or is_open(self.status, self.visibility)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a playback token says: until when, whether to the owner, and of which run's playlists."""

    ends_at: datetime
    for_owner: bool
    run: bytes

    @classmethod
    def of(cls, master_key: str, *, for_owner: bool, now: datetime) -> "Grant":
        return cls(window_at(now).ends_at, for_owner, run_of(master_key))


def run_of(master_key: str) -> bytes:
    """Names the run that made a master playlist, in 8 bytes: a token of an earlier upload does not open a later one."""
    return hashlib.sha256(master_key.encode()).digest()[:8]


def token_of(key: bytes, video_id: UUID, grant: Grant) -> str:
    """The token that permits a video's playlists; URL-safe, and the same for equal grants."""
    said = _GRANT.pack(int(grant.ends_at.timestamp()), grant.for_owner, grant.run)
    return base64.urlsafe_b64encode(said + _mac(key, video_id, said)).rstrip(b"=").decode()


def grant_of(key: bytes, video_id: UUID, token: str, now: datetime) -> Grant:
    """What a token says. Raises PlaybackTokenInvalid for one that we did not make for this video, or that has ended."""
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        said, mac = packed[: _GRANT.size], packed[_GRANT.size :]
        if not hmac.compare_digest(mac, _mac(key, video_id, said)):
            raise PlaybackTokenInvalid
        ends, for_owner, run = _GRANT.unpack(said)
    except (binascii.Error, ValueError, struct.error) as error:
        raise PlaybackTokenInvalid from error
    ends_at = datetime.fromtimestamp(ends, UTC)
    if ends_at <= now:
        raise PlaybackTokenInvalid(f"The token in the URL worked until {ends_at:%H:%M:%S} UTC.")
    return Grant(ends_at, for_owner, run)


def is_playlist_name(name: str) -> bool:
    """Whether it could be a playlist's: letters, digits, `_` and `-`, then .m3u8; nothing that leads elsewhere."""
    return _PLAYLIST_NAME.fullmatch(name) is not None


def names_in(playlist: str) -> list[str]:
    """The names of the objects that a playlist refers to, in order. Raises PlaylistBroken."""
    names: list[str] = []

    def note(name: str) -> str:
        names.append(name)
        return name

    _with_names(playlist, note)
    return names


def with_token(master: str, token: str) -> str:
    """The master playlist whose variants carry the token. Raises PlaylistBroken."""
    return _with_names(master, lambda name: f"{name}?token={token}")


def with_urls(variant: str, urls: Mapping[str, str]) -> str:
    """A variant's playlist with signed URLs in place of the names of its segments. Raises PlaylistBroken."""
    return _with_names(variant, urls.__getitem__)


def _with_names(playlist: str, replace: Callable[[str], str]) -> str:
    """The playlist with every reference replaced: lines that are no tags, and URI attributes of tags."""

    def of_line(line: str) -> str:
        if line.startswith("#"):
            return _URI.sub(lambda found: f'URI="{replace(_checked(found[1]))}"', line)
        return replace(_checked(line)) if line.strip() else line

    lines = playlist.splitlines()
    if not lines or lines[0].strip() != "#EXTM3U":
        raise PlaylistBroken("it does not begin with #EXTM3U")
    return "\n".join(map(of_line, lines)) + "\n"


def _checked(name: str) -> str:
    if _OBJECT_NAME.fullmatch(name) is None:
        raise PlaylistBroken(f"{name[:100]!r} is no name of an object beside it")
    return name


def _mac(key: bytes, video_id: UUID, said: bytes) -> bytes:
    return hmac.digest(key, b"playback" + video_id.bytes + said, "sha256")[:_MAC_BYTES]
