"""What `/openapi.json` says of uploads: made by generate/make_types.py, not by hand."""

from typing import NotRequired, TypedDict

from nextplay_client.types.words import UploadStatus, VideoStatus


class Initiated(TypedDict):
    """The upload that was created."""

    # The upload (UUID).
    upload_id: str
    # The video (UUID).
    video_id: str
    # S3's own name of the multipart upload.
    s3_upload_id: str
    # The size in bytes that each part but the last should have: 10,485,760 (10 MiB). A client may cut otherwise.
    part_size_bytes: int
    # How many parts the file has when cut that way.
    part_count: int
    # When the upload expires, 60 minutes after it was announced.
    expires_at: str
    # The server's time of this answer, to correct a client's clock.
    server_time: str


class Header(TypedDict):
    """One HTTP header."""

    # Name of the header.
    name: str
    # Its value.
    value: str


class PresignedPart(TypedDict):
    """Where and how to send one part."""

    # Number of the part.
    part_number: int
    # The URL for the PUT. It signs the method, the length, the type, and the SHA-256 where one was given.
    presigned_url: str
    # The headers that the PUT must send.
    headers: list[Header]
    # When the URL expires, 10 minutes after it was signed.
    expires_at: str


class PresignedParts(TypedDict):
    """The URLs of a batch."""

    # One entry for each part asked for, in the order of the request.
    parts: list[PresignedPart]
    # The server's time of this answer, to correct a client's clock.
    server_time: str


class ReceivedPart(TypedDict):
    """A part that S3 holds."""

    # Number of the part.
    part_number: int
    # Its size in bytes.
    size_bytes: int
    # Its ETag as S3 gives it, with quotes.
    etag: str


class Upload(TypedDict):
    """One upload, and what is missing of it."""

    # The upload (UUID).
    upload_id: str
    # The video (UUID).
    video_id: str
    # Where the upload stands.
    status: UploadStatus
    # Name of the file as announced.
    filename: str
    # Content type as announced.
    content_type: str
    # Size of the file in bytes as announced.
    file_size_bytes: int
    # The suggested part size in bytes.
    part_size_bytes: int
    # How many parts the file has when cut that way.
    part_count: int
    # What S3 holds, by S3's own list, ascending; empty when the upload is over.
    parts_received: list[ReceivedPart]
    # Numbers of the parts that are still to be sent, ascending, for a client that cuts as suggested or as it was
    # signed; empty when the upload is over.
    parts_missing: list[int]
    # When the upload was announced.
    created_at: str
    # When the upload expires.
    expires_at: str
    # When the upload was completed.
    completed_at: NotRequired[str]
    # What identifies the file to the client, as announced.
    fingerprint: NotRequired[str]
    # The server's time of this answer, to correct a client's clock.
    server_time: str
    # Whether every part is to be signed with its SHA-256, as announced.
    part_checksums: bool


class UploadSummary(TypedDict):
    """An active upload in a list."""

    # The upload (UUID).
    upload_id: str
    # The video (UUID).
    video_id: str
    # Where the upload stands.
    status: UploadStatus
    # Name of the file as announced.
    filename: str
    # Size of the file in bytes as announced.
    file_size_bytes: int
    # What identifies the file to the client, as announced.
    fingerprint: NotRequired[str]
    # When the upload was announced.
    created_at: str
    # When the upload expires.
    expires_at: str


class UploadPage(TypedDict):
    """A page of active uploads."""

    # The uploads, newest first.
    uploads: list[UploadSummary]
    # Token of the next page; empty on the last one.
    next_page_token: str


class Completed(TypedDict):
    """The answer to a complete."""

    # The video (UUID).
    video_id: str
    # Where the video stands: UPLOADED or later; UPLOADING or DRAFT when the file is stored and the catalog, which was
    # away, has not confirmed it yet.
    status: VideoStatus
    # The video's sequence at that status, 0 if none is known; give it to GetVideoStatus as `min_sequence` to read at
    # least this.
    sequence: int
