"""NextPlay from Python: upload a clip, wait until it is ready, publish it.

    from nextplay_client import Client

    with Client("https://api.example.com", token) as nextplay:
        upload = nextplay.upload("clip.mp4", title="My first goal", category="sports")
        nextplay.wait(upload["video_id"])
        nextplay.publish(upload["video_id"])

`AsyncClient` has the same methods for programs with an event loop. Everything goes through the public REST API.
Failures are `ApiError` (the server said no, and why), `PreflightRefused` (the file's head says that it would),
`VideoNotReady` (the video was rejected or failed) or `Unreachable` (no answer after all retries).
"""

from nextplay_client.aio.client import AsyncClient
from nextplay_client.errors import (
    ApiError,
    Conflict,
    FieldError,
    Gone,
    InvalidRequest,
    InvalidSignature,
    NextPlayError,
    NotFound,
    PermissionDenied,
    PreflightRefused,
    RateLimited,
    ServerFault,
    StillWaiting,
    TooLarge,
    Unauthenticated,
    Unprocessable,
    Unreachable,
    UnsupportedType,
    VideoNotReady,
)
from nextplay_client.preflight import Clip, examine
from nextplay_client.sync.client import Client
from nextplay_client.tokens import Token
from nextplay_client.types import Asset, Completed, Notification, Published, Reason, Status, Video, VideoSummary
from nextplay_client.uploading import OnProgress, UploadProgress

__all__ = [
    "ApiError",
    "Asset",
    "AsyncClient",
    "Client",
    "Clip",
    "Completed",
    "Conflict",
    "FieldError",
    "Gone",
    "InvalidRequest",
    "InvalidSignature",
    "NextPlayError",
    "NotFound",
    "Notification",
    "OnProgress",
    "PermissionDenied",
    "PreflightRefused",
    "Published",
    "RateLimited",
    "Reason",
    "ServerFault",
    "Status",
    "StillWaiting",
    "Token",
    "TooLarge",
    "Unauthenticated",
    "Unprocessable",
    "Unreachable",
    "UnsupportedType",
    "UploadProgress",
    "Video",
    "VideoNotReady",
    "VideoSummary",
    "examine",
]
