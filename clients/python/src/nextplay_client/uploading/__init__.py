"""The upload of one file."""

from nextplay_client.uploading.progress import OnProgress, UploadProgress
from nextplay_client.uploading.sending import PART_TIMEOUT
from nextplay_client.uploading.upload import upload_file

__all__ = ["PART_TIMEOUT", "OnProgress", "UploadProgress", "upload_file"]
