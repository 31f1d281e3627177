"""Finding the interrupted upload of a file, and what S3 holds of it."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import cast

from nextplay_client.errors import NotFound
from nextplay_client.files import facts
from nextplay_client.gateway import Gateway
from nextplay_client.types import Upload
from nextplay_client.uploading.notes import Note

END_BYTES = 1024 * 1024
TAKES_PARTS = frozenset({"INITIATED", "IN_PROGRESS"})
STORED = frozenset({"COMPLETING", "COMPLETED"})


def fingerprint(path: Path, video_id: str | None) -> str:
    """What identifies a file and the video it is for: its size, its time of change, and its first and last MiB."""
    found = facts(path)
    digest = hashlib.sha256(f"{found.st_size} {found.st_mtime_ns} {video_id or ''} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(END_BYTES))
        file.seek(max(0, found.st_size - END_BYTES))
        digest.update(file.read(END_BYTES))
    return f"sha256:{digest.hexdigest()}"


async def interrupted(gateway: Gateway, mark: str) -> Upload | None:
    """The upload with this fingerprint of which nobody has seen the end: it takes parts, or was just completed."""
    async for upload_id in _named(gateway, mark):
        with suppress(NotFound):
            upload = cast(Upload, await gateway.get(f"/v1/uploads/{upload_id}"))
            if upload["status"] in TAKES_PARTS | STORED:
                return upload
    return None


async def _named(gateway: Gateway, mark: str) -> AsyncIterator[str]:
    noted = Note.of(gateway.address, mark).read()
    if noted:
        yield noted
    async for upload in gateway.entries("/v1/uploads", "uploads", 1, fingerprint=mark):
        yield upload["upload_id"]


def held_parts(upload: Upload) -> dict[tuple[int, int], str]:
    """The ETags of the parts that S3 holds, by number and length."""
    return {(part["part_number"], part["size_bytes"]): part["etag"] for part in upload["parts_received"]}
