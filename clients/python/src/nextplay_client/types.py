"""The replies of the REST API as typed dictionaries; field by field as `/openapi.json` documents them.

Times are RFC 3339 strings in UTC, sizes are in bytes, durations in milliseconds.
"""

from typing import NotRequired, TypedDict


class Initiated(TypedDict):
    """An upload that was announced."""

    upload_id: str
    video_id: str
    s3_upload_id: str
    part_size_bytes: int
    part_count: int
    expires_at: str
    server_time: str


class Header(TypedDict):
    """A header that the PUT of a part must send."""

    name: str
    value: str


class PresignedPart(TypedDict):
    """Where and how to send one part."""

    part_number: int
    presigned_url: str
    headers: list[Header]
    expires_at: str


class Completed(TypedDict):
    """A completed upload."""

    video_id: str
    status: str
    sequence: int


class Reason(TypedDict):
    """Why a video was rejected, failed or fell back to DRAFT."""

    code: str
    message: str
    stage: str
    next_action: str


class Status(TypedDict):
    """Where a video stands."""

    video_id: str
    status: str
    progress: int
    eta_seconds: NotRequired[int]
    queue_position: NotRequired[int]
    reason: NotRequired[Reason]
    sequence: int
    generation: int
    final: bool
    allowed_actions: list[str]
    changed_at: str
    published_at: NotRequired[str]


class Asset(TypedDict):
    """One output of a video."""

    kind: str
    url: str
    s3_key: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    bitrate_bps: int
    duration_ms: int
    url_expires_at: str


class Video(TypedDict):
    """A video with its assets."""

    video_id: str
    user_id: str
    title: str
    description: str
    category: str
    visibility: str
    status: str
    duration_ms: NotRequired[int]
    width: NotRequired[int]
    height: NotRequired[int]
    fps: NotRequired[float]
    assets: list[Asset]
    reason: NotRequired[Reason]
    created_at: str
    published_at: NotRequired[str]
    original_expires_at: NotRequired[str]
    sequence: int
    generation: int
    publish_when_ready: bool


class Published(TypedDict):
    """A video after the publish."""

    video_id: str
    status: str
    published_at: NotRequired[str]
    visibility: str
    sequence: int


class VideoSummary(TypedDict):
    """A video in a feed or a list."""

    video_id: str
    user_id: str
    title: str
    category: str
    visibility: str
    status: str
    duration_ms: NotRequired[int]
    thumbnail_url: NotRequired[str]
    preview_url: NotRequired[str]
    hls_url: NotRequired[str]
    created_at: str
    published_at: NotRequired[str]


class VideoPage(TypedDict):
    """A page of videos; an empty `next_page_token` ends the list."""

    videos: list[VideoSummary]
    next_page_token: str


class Notification(TypedDict):
    """One entry of the inbox."""

    notification_id: str
    kind: str
    title: str
    body: str
    video_id: str
    actor_user_id: str
    reason_code: NotRequired[str]
    next_action: NotRequired[str]
    created_at: str
    read_at: NotRequired[str]


class NotificationPage(TypedDict):
    """A page of the inbox; an empty `next_page_token` ends the list."""

    notifications: list[Notification]
    next_page_token: str
    unread_count: int
