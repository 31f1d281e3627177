"""What `/openapi.json` says of its words: made by generate/make_types.py, not by hand."""

from typing import Literal

Action = Literal["upload", "publish", "publish_when_ready", "retry", "update", "delete"]
Channel = Literal["in_app", "web_push", "mobile_push"]
DeliveryStatus = Literal["PENDING", "DELIVERED", "FAILED", "CANCELLED"]
DisabledReason = Literal["BY_OWNER", "GONE", "FAILING"]
NotificationKind = Literal["video_ready", "video_failed", "video_rejected", "video_published", "webhook_disabled"]
UploadStatus = Literal["INITIATED", "IN_PROGRESS", "COMPLETING", "COMPLETED", "ABORTED", "EXPIRED", "FAILED"]
Vendor = Literal["web_push", "fcm", "apns"]
VideoStatus = Literal[
    "DRAFT",
    "UPLOADING",
    "UPLOADED",
    "PROCESSING",
    "READY",
    "PUBLISHED",
    "PROCESSING_FAILED",
    "REJECTED_TOO_LONG",
    "REJECTED_FORMAT",
    "DELETED",
]
Visibility = Literal["public", "unlisted", "private"]
