"""Uploads as the platform keeps them: what is under way, what is missing of it, and how to give it up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

from nextplay_client.gateway import Gateway
from nextplay_client.types import Upload, UploadSummary
from nextplay_client.uploading.resuming import fingerprint, interrupted


class AsyncUploads:
    """`client.uploads`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def get(self, upload_id: str) -> Upload:
        """An own upload: where it stands, which parts S3 holds and which are missing."""
        return cast(Upload, await self._gateway.get(f"/v1/uploads/{upload_id}"))

    async def list(self, *, fingerprint: str | None = None, limit: int | None = None) -> AsyncIterator[UploadSummary]:
        """Own uploads that are under way, newest first; with a fingerprint those of one file."""
        async for upload in self._gateway.entries("/v1/uploads", "uploads", limit, fingerprint=fingerprint):
            yield upload

    async def find(self, path: str | Path, *, video_id: str | None = None) -> Upload | None:
        """The interrupted upload of this file that `Client.upload` would go on with; None where there is none.

        `video_id` as it was given to `Client.upload`. Raises OSError for the file.
        """
        return await interrupted(self._gateway, await asyncio.to_thread(fingerprint, Path(path), video_id))

    async def abort(self, upload_id: str) -> None:
        """Give an upload up; its video is a draft again. Safe to repeat."""
        await self._gateway.delete(f"/v1/uploads/{upload_id}")
