"""NextPlay from Python: upload a clip, wait until it is ready, publish it.

    from nextplay_client import Client

    with Client("https://api.example.com", token) as nextplay:
        upload = nextplay.upload("clip.mp4", title="My first goal", category="sports")
        nextplay.wait(upload["video_id"])
        nextplay.publish(upload["video_id"])

Everything goes through the public REST API. Failures are `ApiError` (the server said no, and why), `VideoNotReady`
(the video was rejected or failed) or `Unreachable` (no answer after all retries).
"""

from nextplay_client.client import Client
from nextplay_client.errors import ApiError, FieldError, NextPlayError, Unreachable, VideoNotReady
from nextplay_client.types import Asset, Completed, Notification, Published, Reason, Status, Video, VideoSummary
from nextplay_client.uploading import UploadProgress

__all__ = [
    "ApiError",
    "Asset",
    "Client",
    "Completed",
    "FieldError",
    "NextPlayError",
    "Notification",
    "Published",
    "Reason",
    "Status",
    "Unreachable",
    "UploadProgress",
    "Video",
    "VideoNotReady",
    "VideoSummary",
]
