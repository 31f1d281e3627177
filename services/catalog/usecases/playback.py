"""Playlists for players: permitted by a token, with links that work for the present window."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from services.catalog.domain import playback
from services.catalog.domain.errors import VideoNotFound
from services.catalog.domain.playback import Playable, PlaylistNotFound
from services.catalog.domain.video import Status, Visibility, is_open
from services.catalog.ports.playback import FindPlayable, ReadPlaylist, SignAsset, SignedUrl, SignUrl


async def sign_assets(
    sign: SignAsset, video_id: UUID, status: Status, visibility: Visibility, s3_keys: Mapping[str, str]
) -> dict[str, SignedUrl]:
    """The URLs of a video's assets, by kind, for somebody who may see the video."""
    for_owner = not is_open(status, visibility)
    return {kind: await sign(video_id, kind, s3_key, for_owner=for_owner) for kind, s3_key in s3_keys.items()}


async def get_playlist(
    find: FindPlayable,
    read: ReadPlaylist,
    sign: SignUrl,
    key: bytes,
    video_id: UUID,
    name: str,
    token: str,
    now: datetime,
) -> str:
    """The playlist of that name: the master with links to its variants, a variant with signed links to its segments.

    The video is looked at on every call, so nothing is answered once it was deleted or made private.
    Raises PlaybackTokenInvalid, VideoNotFound, PlaylistNotFound.
    """
    grant = playback.grant_of(key, video_id, token, now)
    playable = await find(video_id)
    if playable is None or not _opens(grant, playable):
        raise VideoNotFound
    if not playback.is_playlist_name(name):
        raise PlaylistNotFound
    master = await _read(read, playable.master_key)
    if name == playback.MASTER:
        return playback.with_token(master, token)
    if name not in playback.names_in(master):
        raise PlaylistNotFound
    prefix = playable.master_key.removesuffix(playback.MASTER)
    variant = await _read(read, prefix + name)
    urls = {segment: (await sign(prefix + segment)).url for segment in playback.names_in(variant)}
    return playback.with_urls(variant, urls)


def _opens(grant: playback.Grant, playable: Playable) -> bool:
    same_run = grant.run == playback.run_of(playable.master_key)
    return same_run and playable.may_be_played(for_owner=grant.for_owner)


async def _read(read: ReadPlaylist, s3_key: str) -> str:
    """A stored playlist. One that is gone was purged after the video was deleted."""
    text = await read(s3_key)
    if text is None:
        raise PlaylistNotFound
    return text
