"""The upload of one file."""

from nextplay_client.uploading.progress import OnProgress, UploadProgress
from nextplay_client.uploading.upload import upload_file

__all__ = ["OnProgress", "UploadProgress", "upload_file"]
