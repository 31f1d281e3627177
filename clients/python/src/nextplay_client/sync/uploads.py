"""Uploads as the platform keeps them: what is under way, what is missing of it, and how to give it up.

Made of aio/uploads.py by generate/make_sync.py, not by hand.
"""

from collections.abc import Iterator
from pathlib import Path

from nextplay_client.aio.uploads import AsyncUploads
from nextplay_client.loop_thread import LoopThread
from nextplay_client.types import Upload, UploadSummary


class Uploads:
    """`client.uploads`."""

    def __init__(self, thread: LoopThread, served: AsyncUploads) -> None:
        self._thread = thread
        self._served = served

    def get(self, upload_id: str) -> Upload:
        """An own upload: where it stands, which parts S3 holds and which are missing."""
        return self._thread.run(self._served.get(upload_id))

    def list(self, *, fingerprint: str | None = None, limit: int | None = None) -> Iterator[UploadSummary]:
        """Own uploads that are under way, newest first; with a fingerprint those of one file."""
        return self._thread.iterate(self._served.list(fingerprint=fingerprint, limit=limit))

    def find(self, path: str | Path, *, video_id: str | None = None) -> Upload | None:
        """The interrupted upload of this file that `Client.upload` would go on with; None where there is none.

        `video_id` as it was given to `Client.upload`. Raises OSError for the file.
        """
        return self._thread.run(self._served.find(path, video_id=video_id))

    def abort(self, upload_id: str) -> None:
        """Give an upload up; its video is a draft again. Safe to repeat."""
        self._thread.run(self._served.abort(upload_id))
