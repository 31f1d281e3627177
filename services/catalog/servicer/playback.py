"""Playlists."""

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


class Playback(PlaybackServiceServicer):
    """Serves HLS playlists."""

    def __init__(self, pool: Pool, read: ReadPlaylist, sign: SignUrl, *, key: bytes, clock: Clock) -> None:
        self._get = partial(get_playlist, partial(find_playable, pool), read, sign, key)
        self._clock = clock

    async def GetPlaylist(self, request: GetPlaylistRequest, context: Any) -> HttpBody:
        video_id = parse_uuid("video_id", request.video_id)
        text = await self._get(video_id, request.playlist, request.token, self._clock())
        return HttpBody(content_type=CONTENT_TYPE, data=text.encode())
