"""What `/openapi.json` says of videos: made by generate/make_types.py, not by hand."""

from typing import NotRequired, TypedDict

from nextplay_client.types.words import Action, VideoStatus, Visibility


class Reason(TypedDict):
    """Why a video is where it is."""

    # Stable code for programs: DURATION_TOO_LONG, CODEC_UNSUPPORTED, NOT_A_VIDEO, CORRUPT, NO_VIDEO_TRACK,
    # TOO_LARGE_FRAME, TRANSCODE_TIMEOUT, TRANSCODER_ERROR, STORAGE_ERROR, TRANSCODE_STOPPED, or of an upload:
    # UPLOAD_ABORTED, UPLOAD_EXPIRED, MULTIPART_LOST, SIZE_MISMATCH.
    code: str
    # A sentence for a person, with the measured value, the limit and the unit.
    message: str
    # Where it happened: upload, probe or transcode.
    stage: str
    # What to do next, as a sentence.
    next_action: str


class Status(TypedDict):
    """Where a video stands."""

    # The video (UUID).
    video_id: str
    # Where it stands.
    status: VideoStatus
    # 0 to 100: how far the way to READY is gone. Never falls within a generation.
    progress: int
    # About how many seconds until READY; absent while unknown.
    eta_seconds: NotRequired[int]
    # About how many jobs are ahead of it; absent when it does not wait.
    queue_position: NotRequired[int]
    # Why it was rejected, failed or fell back to DRAFT.
    reason: NotRequired[Reason]
    # Counts the changes of status, from 1.
    sequence: int
    # Which upload or retry of the video this is, from 1.
    generation: int
    # Whether the status changes no more without the owner: READY is final unless publication was asked for.
    final: bool
    # What the owner may do now.
    allowed_actions: list[Action]
    # When the status was reached.
    changed_at: str
    # When it was published.
    published_at: NotRequired[str]


class Asset(TypedDict):
    """One output of a video."""

    # MP4_720, MP4_480, MP4_240, HLS, THUMB or PREVIEW.
    kind: str
    # Where to get it: signed, and valid until `url_expires_at`.
    url: str
    # Key of the object in the bucket.
    s3_key: str
    # Content type.
    content_type: str
    # Size in bytes (of all objects together for HLS).
    size_bytes: int
    # Width in pixels.
    width: int
    # Height in pixels.
    height: int
    # Average bit rate in bits per second; 0 for pictures.
    bitrate_bps: int
    # Duration in milliseconds; 0 for pictures.
    duration_ms: int
    # When the URL stops working.
    url_expires_at: str


class Video(TypedDict):
    """A video."""

    # The video (UUID).
    video_id: str
    # The owner (UUID).
    user_id: str
    # Title, 1 to 80 characters.
    title: str
    # Description, at most 2,000 characters; may be empty.
    description: str
    # Category.
    category: str
    # Who may see it.
    visibility: Visibility
    # Where it stands.
    status: VideoStatus
    # Duration in milliseconds, once it was measured.
    duration_ms: NotRequired[int]
    # Width of the original in pixels as shown, once it was measured.
    width: NotRequired[int]
    # Height of the original in pixels as shown, once it was measured.
    height: NotRequired[int]
    # Frames per second of the original, once they were measured.
    fps: NotRequired[float]
    # What can be played or shown; empty before READY.
    assets: list[Asset]
    # Why it was rejected, failed or fell back to DRAFT. For the owner only.
    reason: NotRequired[Reason]
    # When it was created.
    created_at: str
    # When it was published.
    published_at: NotRequired[str]
    # Until when the original is kept at least and RetryVideo possible; absent where it went with a rejection or
    # deletion. For the owner only.
    original_expires_at: NotRequired[str]
    # Counts the changes of status, from 1.
    sequence: int
    # Which upload or retry of the video this is, from 1.
    generation: int
    # Whether it will be published as soon as it is READY. For the owner only.
    publish_when_ready: bool


class VideoSummary(TypedDict):
    """A video in a list."""

    # The video (UUID).
    video_id: str
    # The owner (UUID).
    user_id: str
    # Title.
    title: str
    # Category.
    category: str
    # Who may see it.
    visibility: Visibility
    # Where it stands.
    status: VideoStatus
    # Duration in milliseconds, once it was measured.
    duration_ms: NotRequired[int]
    # Signed URL of the thumbnail, once there is one.
    thumbnail_url: NotRequired[str]
    # Signed URL of the preview clip, once there is one.
    preview_url: NotRequired[str]
    # Signed URL of the HLS master playlist, once there is one.
    hls_url: NotRequired[str]
    # When it was created.
    created_at: str
    # When it was published.
    published_at: NotRequired[str]


class VideoPage(TypedDict):
    """A page of own videos."""

    # The videos, newest first.
    videos: list[VideoSummary]
    # Token of the next page; empty on the last one.
    next_page_token: str


class Published(TypedDict):
    """The video after the publish."""

    # The video (UUID).
    video_id: str
    # PUBLISHED, or with `when_ready` the present status.
    status: VideoStatus
    # When it was published; absent while it waits to be READY.
    published_at: NotRequired[str]
    # Who may see it.
    visibility: Visibility
    # Counts the changes of status, from 1.
    sequence: int


class Updated(TypedDict):
    """The video after the change."""

    # The video (UUID).
    video_id: str
    # Title.
    title: str
    # Description.
    description: str
    # Category.
    category: str
    # Who may see it.
    visibility: Visibility


class Retried(TypedDict):
    """The retry is on its way."""

    # The video (UUID).
    video_id: str
    # UPLOADED.
    status: VideoStatus
    # Counts the changes of status, from 1.
    sequence: int
    # The generation that the retry makes.
    generation: int


class Fact(TypedDict):
    """A named value."""

    # Name, with its unit where it has one: duration_ms.
    name: str
    # Value.
    value: str


class TimelineEntry(TypedDict):
    """One thing that happened to a video."""

    # Name of what happened. Facts: UploadStarted, UploadCompleted, UploadAborted, UploadExpired, UploadFailed,
    # OriginalLost, TranscodeStarted, TranscodeRetryScheduled, TranscodeCompleted, TranscodeFailed, VideoRejected.
    # Commands: ClaimVideoForUpload, PublishVideo, UpdateVideo, RetryVideo, DeleteVideo, ArchiveVideo.
    # VideoRetryRequested where media was asked again for a run that it did not know.
    event: str
    # When it happened.
    time: str
    # The generation of the video it belongs to.
    generation: int
    # The status it led to; absent where it changed none.
    status: NotRequired[VideoStatus]
    # The sequence it led to; absent where it changed none.
    sequence: NotRequired[int]
    # Milliseconds since the entry before of the same generation; 0 for the first one, and where two clocks disagree.
    since_previous_ms: int
    # The attempt, from 1; absent where there are none.
    attempt: NotRequired[int]
    # What was measured or said, as names and values.
    facts: list[Fact]
    # The trace in which it happened; empty where there was none.
    trace_id: str
    # Why nothing changed: `older generation` (another upload or retry has begun since), `repeat` (it was known already,
    # or something later was) or `deleted` (the video is); empty otherwise.
    ignored: str


class Timeline(TypedDict):
    """What happened to a video."""

    # The entries, in causal order.
    entries: list[TimelineEntry]
