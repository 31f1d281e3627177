"""Playlists."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.api.httpbody_pb2 import HttpBody

from chassis.clock import Clock
from chassis.postgres import Pool
from chassis.validation import parse_uuid
from nextplay.catalog.v1.playback_service_pb2 import GetPlaylistRequest
from nextplay.catalog.v1.playback_service_pb2_grpc import PlaybackServiceServicer
from services.catalog.ports.playback import ReadPlaylist, SignUrl
from services.catalog.reads.playback import find_playable
from services.catalog.usecases.playback import get_playlist

CONTENT_TYPE = "application/vnd.apple.mpegurl"


@dataclass(frozen=True)
class Playback(PlaybackServiceServicer):
    """Serves HLS playlists. The player's cache asks again every time: the gateway answers `private, no-cache`."""

    pool: Pool
    read: ReadPlaylist
    sign: SignUrl
    clock: Clock
    key: bytes = field(repr=False)

    async def GetPlaylist(self, request: GetPlaylistRequest, context: Any) -> HttpBody:
        video_id = parse_uuid("video_id", request.video_id)
        find = partial(find_playable, self.pool)
        text = await get_playlist(
            find, self.read, self.sign, self.key, video_id, request.playlist, request.token, self.clock()
        )
        return HttpBody(content_type=CONTENT_TYPE, data=text.encode())
